"""How likely each kind of edit is: recipes of training views and of the evaluation.

A recipe maps a kind of edit to its probability for one view; kinds left out do not occur.
"""

Recipe = dict[str, float]

KINDS = (
    "crop",
    "border",
    "page",
    "pad",
    "rotate",
    "perspective",
    "quarter",
    "mirror",
    "overlay",
    "paste",
    "light",
    "glare",
    "tone",
    "saturation",
    "grey",
    "cast",
    "gamma",
    "soften",
    "noise",
    "jpeg",
)

CLEAN: Recipe = {}

# One or two edits, as most copies have.
SINGLE: Recipe = {
    "crop": 0.25,
    "border": 0.14,
    "page": 0.08,
    "pad": 0.06,
    "rotate": 0.14,
    "perspective": 0.03,
    "quarter": 0.02,
    "mirror": 0.05,
    "overlay": 0.14,
    "paste": 0.04,
    "light": 0.03,
    "glare": 0.02,
    "tone": 0.14,
    "saturation": 0.05,
    "grey": 0.18,
    "cast": 0.04,
    "gamma": 0.04,
    "soften": 0.14,
    "noise": 0.03,
    "jpeg": 0.30,
}

# Part of the picture, otherwise little changed.
CROPPED: Recipe = {
    "crop": 1.0,
    "mirror": 0.05,
    "overlay": 0.08,
    "tone": 0.15,
    "grey": 0.1,
    "soften": 0.1,
    "jpeg": 0.3,
}

# A photograph of the picture, printed or on a screen.
PHOTOGRAPH: Recipe = {
    "crop": 0.15,
    "border": 0.55,
    "page": 0.03,
    "pad": 0.05,
    "rotate": 0.7,
    "perspective": 0.9,
    "quarter": 0.02,
    "mirror": 0.02,
    "overlay": 0.05,
    "paste": 0.05,
    "light": 0.7,
    "glare": 0.4,
    "tone": 0.7,
    "saturation": 0.5,
    "grey": 0.04,
    "cast": 0.6,
    "gamma": 0.4,
    "soften": 0.6,
    "noise": 0.4,
    "jpeg": 0.6,
}

# Many edits at once.
HEAVY: Recipe = {
    "crop": 0.5,
    "border": 0.2,
    "page": 0.12,
    "pad": 0.08,
    "rotate": 0.35,
    "perspective": 0.2,
    "quarter": 0.03,
    "mirror": 0.2,
    "overlay": 0.4,
    "paste": 0.12,
    "light": 0.15,
    "glare": 0.08,
    "tone": 0.5,
    "saturation": 0.35,
    "grey": 0.18,
    "cast": 0.25,
    "gamma": 0.25,
    "soften": 0.45,
    "noise": 0.15,
    "jpeg": 0.6,
}

# What the two views of a training picture are: recipes and their shares of a batch.
FIRST_VIEW = ((CLEAN, 0.6), (SINGLE, 0.4))
SECOND_VIEW = ((SINGLE, 0.35), (CROPPED, 0.25), (PHOTOGRAPH, 0.12), (HEAVY, 0.28))

# What the evaluation during training tries, one recipe at a time.
TRIALS: dict[str, Recipe] = {
    "crop": {"crop": 1.0},
    "border": {"border": 1.0},
    "rotate": {"rotate": 1.0},
    "grey": {"grey": 1.0},
    "overlay": {"overlay": 1.0},
    "page": {"page": 1.0},
    "jpeg": {"jpeg": 1.0},
    "soften": {"soften": 1.0},
    "photograph": PHOTOGRAPH,
    "heavy": HEAVY,
}

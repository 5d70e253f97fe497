"""The held-aside test: edited copies of photographs never trained on, among distractors.

    python battery.py --data DATA --teacher teacher.tflite

reads DATA/heldout, writes DATA/battery.npz: small squares for the student and the teacher's
embeddings (of smoothly resized squares) for every copy and every picture. Takes a while, once.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pictures import open_upright, squash
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from teacher import SIZE as TEACHER_SIZE
from teacher import LiteModel

from vecsim.models.registry import find_spec

SEED = 20261122
QUERIES = {
    "imagenet-samples": 100,
    "imagen": 80,
    "snapshots": 100,
    "clothing": 80,
    "corel": 60,
    "posters-new": 60,
    "houses": 20,
}
MOST = 6000  # pictures of one set among the distractors
WORKING_SIDE = 800  # originals are reduced to this before they are edited

SIZE = find_spec("bundled").preparation.size

Edit = Callable[[Image.Image, np.random.Generator], Image.Image]


def jpeg(quality: int) -> Edit:
    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return apply


def reduce(factor: float) -> Edit:
    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        size = (max(8, round(image.width / factor)), max(8, round(image.height / factor)))
        return image.resize(size, Image.Resampling.BICUBIC)

    return apply


def stretch(factor: float) -> Edit:
    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        return image.resize((round(image.width * factor), image.height), Image.Resampling.BICUBIC)

    return apply


def crop(share: float) -> Edit:
    """Cut away `share` of width and of height, at a random place."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        width, height = image.width * (1 - share), image.height * (1 - share)
        left = random.random() * (image.width - width)
        top = random.random() * (image.height - height)
        return image.crop((int(left), int(top), int(left + width), int(top + height)))

    return apply


def border(share: float) -> Edit:
    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        colour = ("white", "black", "#c03020")[int(random.integers(3))]
        return ImageOps.expand(image, round(share * max(image.size)), colour)

    return apply


def pad_square(image: Image.Image, random: np.random.Generator) -> Image.Image:
    side = max(image.size)
    return ImageOps.pad(image, (side, side), color="white")


def rotate(degrees: float) -> Edit:
    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        angle = degrees if random.random() < 0.5 else -degrees
        return image.rotate(angle, Image.Resampling.BICUBIC, expand=True)

    return apply


def text(share: float) -> Edit:
    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        image = image.copy()
        font = ImageFont.load_default(size=max(8, round(share * image.height)))
        at = (image.width * 0.05, random.random() * image.height * (1 - share))
        drawn = ImageDraw.Draw(image)
        drawn.text(at, "sample text 2026", "white", font, stroke_width=2, stroke_fill="black")
        return image

    return apply


def logo(share: float) -> Edit:
    """A filled disc on a plate in a corner."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        image = image.copy()
        side = round(share * min(image.size))
        left = 4 if random.random() < 0.5 else image.width - side - 4
        top = 4 if random.random() < 0.5 else image.height - side - 4
        drawn = ImageDraw.Draw(image)
        drawn.rectangle((left, top, left + side, top + side), "white")
        drawn.ellipse((left + 3, top + 3, left + side - 3, top + side - 3), "#1040b0")
        return image

    return apply


def watermark(image: Image.Image, random: np.random.Generator) -> Image.Image:
    layer = Image.new("RGBA", image.size, (255, 255, 255, 0))
    drawn = ImageDraw.Draw(layer)
    font = ImageFont.load_default(size=max(8, image.height // 10))
    for row in range(4):
        at = (image.width * (0.05 + 0.2 * (row % 2)), image.height * (0.05 + 0.25 * row))
        drawn.text(at, "watermark", (255, 255, 255, 110), font)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def blur(radius: float) -> Edit:
    """Gaussian blur, the radius being for a picture of 500 pixels."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(radius * max(image.size) / 500))

    return apply


def enhance(kind: type[ImageEnhance._Enhance], factor: float) -> Edit:
    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        return kind(image).enhance(factor)

    return apply


def grayscale(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.convert("L").convert("RGB")


EDITS: dict[str, Edit] = {
    "jpeg 70": jpeg(70),
    "jpeg 30": jpeg(30),
    "jpeg 10": jpeg(10),
    "reduce 2": reduce(2),
    "reduce 4": reduce(4),
    "stretch 0.7": stretch(0.7),
    "crop 5 %": crop(0.05),
    "crop 10 %": crop(0.10),
    "crop 20 %": crop(0.20),
    "crop 30 %": crop(0.30),
    "border 5 %": border(0.05),
    "border 15 %": border(0.15),
    "pad to square": pad_square,
    "rotate 2": rotate(2),
    "rotate 5": rotate(5),
    "rotate 10": rotate(10),
    "text 8 %": text(0.08),
    "text 16 %": text(0.16),
    "logo 15 %": logo(0.15),
    "logo 30 %": logo(0.30),
    "watermark": watermark,
    "blur 2": blur(2),
    "blur 4": blur(4),
    "brightness 0.6": enhance(ImageEnhance.Brightness, 0.6),
    "brightness 1.5": enhance(ImageEnhance.Brightness, 1.5),
    "contrast 0.6": enhance(ImageEnhance.Contrast, 0.6),
    "saturation 0.4": enhance(ImageEnhance.Color, 0.4),
    "grayscale": grayscale,
}

Squares = list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def squares(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What the student and what the teacher sees of `image`."""
    return squash(image, SIZE), squash(image, TEACHER_SIZE)


def copies_of(task: tuple[int, Path]) -> Squares:
    """The original's squares, then those of its edited copies, in the order of EDITS."""
    number, file = task
    image = open_upright(file.read_bytes())
    image.thumbnail((WORKING_SIDE, WORKING_SIDE))
    random = np.random.default_rng([SEED, number])
    return [squares(image), *(squares(apply(image, random)) for apply in EDITS.values())]


def plain(file: Path) -> Squares:
    """The squares of an unedited picture; nothing for a file that is no picture."""
    try:
        image = open_upright(file.read_bytes(), draft=2 * TEACHER_SIZE)
    except (OSError, ValueError, SyntaxError):
        return []
    image.thumbnail((WORKING_SIDE, WORKING_SIDE))
    return [squares(image)]


def choose(heldout: Path, share: float) -> tuple[list[Path], list[Path]]:
    """The query photographs and the distractors, the same ones every time; a share of them all."""
    queries: list[Path] = []
    others: list[Path] = []
    for number, folder in enumerate(sorted(heldout.iterdir())):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        order = np.random.default_rng([SEED, number]).permutation(len(files))
        count = QUERIES.get(folder.name, 0)
        most = round(share * min(MOST, len(files) - count))
        queries += [files[index] for index in order[: round(share * count)]]
        others += [files[index] for index in order[count : count + most]]
    return queries, others


def main() -> None:
    """Build the battery."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0, help="of the queries and distractors")
    arguments = parser.parse_args()
    teacher = LiteModel(arguments.teacher)
    queries, others = choose(arguments.data / "heldout", arguments.share)
    small: list[NDArray[np.uint8]] = []
    vectors: list[NDArray[np.float32]] = []
    with multiprocessing.Pool(2) as pool:
        for done in pool.imap(copies_of, enumerate(queries)):
            small.append(np.stack([pair[0] for pair in done]))
            vectors.append(teacher.embed(np.stack([pair[1] for pair in done])))
        print(f"{len(queries)} queries with {len(EDITS)} copies each", flush=True)
        copies, copy_vectors = np.stack(small), np.stack(vectors)
        small, vectors, waiting = [], [], []
        for done in pool.imap(plain, others, chunksize=16):
            waiting += done
            if len(waiting) >= 32:
                batch, waiting = waiting[:32], waiting[32:]
                small.append(np.stack([pair[0] for pair in batch]))
                vectors.append(teacher.embed(np.stack([pair[1] for pair in batch])))
    print(f"{sum(map(len, small))} distractors", flush=True)
    partial = arguments.data / "battery.partial.npz"
    np.savez(
        partial,
        copies=copies,
        copies_teacher=copy_vectors,
        distractors=np.concatenate(small),
        distractors_teacher=np.concatenate(vectors),
        queries=np.array([str(path.relative_to(arguments.data)) for path in queries]),
    )
    partial.rename(arguments.data / "battery.npz")


if __name__ == "__main__":
    main()

"""Evaluation during training: edited copies of training-set pictures that are held out."""

import torch
from data import Pictures
from edits import Edits
from network import Student
from recipes import TRIALS
from torch import Tensor
from torch.nn import functional

BATCH = 512
FALSE_RATE = 1e-5  # of pairs of different pictures
DIFFERENT = 0.5  # teacher's cosine under which two pictures count as different


def embed(student: Student, views: Tensor, quantised: bool) -> Tensor:
    """Unit embeddings of views in 0..1: float32 [B, D]."""
    with torch.autocast(views.device.type, torch.bfloat16, enabled=views.is_cuda):
        embeddings = student(scale(views, views.is_cuda), quantised)
    return functional.normalize(embeddings.float(), dim=1)


def scale(views: Tensor, half: bool) -> Tensor:
    """The network's input: -1..1, channels last, bfloat16 on a GPU."""
    x = (views * 255).round() / 127.5 - 1
    return x.to(torch.bfloat16 if half else torch.float32).contiguous(
        memory_format=torch.channels_last
    )


@torch.no_grad()
def try_edits(
    student: Student, pictures: Pictures, edits: Edits, quantised: bool
) -> dict[str, float]:
    """Recall of each trial at a score that FALSE_RATE of the pairs of different pictures reach.

    Also that score ("from"), and the correlation of scores with the teacher's ("follows").
    """
    student.eval()
    rows = [slice(at, min(at + BATCH, pictures.held)) for at in range(0, pictures.held, BATCH)]
    pixels, aspects = pictures.pixels, pictures.aspects
    clean = torch.cat([embed(student, edits.clean(pixels[r]), quantised) for r in rows])
    teacher = pictures.vectors[: pictures.held] @ pictures.vectors[: pictures.held].T
    different = teacher < DIFFERENT
    figures: dict[str, float] = {}
    state = torch.random.get_rng_state()
    torch.manual_seed(11)
    scores = clean @ clean.T
    number = max(1, round(float(different.sum()) * FALSE_RATE))
    threshold = float(scores[different].topk(number).values[-1])
    for name, recipe in TRIALS.items():
        parts = [edits.views(pixels[r], aspects[r], ((recipe, 1.0),)) for r in rows]
        copies = torch.cat([embed(student, part, quantised) for part in parts])
        figures[name] = float(((copies * clean).sum(1) >= threshold).float().mean())
    torch.random.set_rng_state(state)
    off = ~torch.eye(len(clean), dtype=torch.bool, device=clean.device)
    figures["from"] = threshold
    figures["follows"] = float(torch.corrcoef(torch.stack([scores[off], teacher[off]]))[0, 1])
    student.train()
    return {name: round(value, 4) for name, value in figures.items()}

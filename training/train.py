"""Teach the student. The same command starts the training and goes on with it.

    python train.py --data DATA --teacher mobilenet_7_5_224_tf_no_top.h5 --run DATA/run

Checkpoints (RUN/last.pt, replaced atomically) hold everything; stop it at any time. The learning
rate stays constant until `--cooldown FROM` is given: then the run starts from that checkpoint and
lets the rate fall to nothing over `--steps` steps.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from data import Batches, Collection, load_collection
from network import Student, load_teacher
from start import principal_axes, thin
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

SEED = 3
SIZE = 160
DIM = 256
WIDTHS = [24, 48, 96, 96, 192, 192, 320, 320, 320, 320, 320, 320, 512, 768]
BATCH = 64
RATE = 2e-4
WARMUP = 150
AVERAGE = 0.998  # of the exponential average of the weights, which is what ships
CHECKPOINT_SECONDS = 120
THRESHOLD = 0.845
TEMPERATURE = 0.07
CENTRING = 0.5  # share of the teacher's mean vector that is taken off its vectors


@dataclass(frozen=True, slots=True)
class Losses:
    """How much each part of the loss counts."""

    point: float = 2.0
    relation: float = 40.0
    contrast: float = 0.15
    found: float = 3.0
    apart: float = 150.0


def loss_parts(clean: Tensor, edited: Tensor, teacher: Tensor, axes: Tensor) -> dict[str, Tensor]:
    """The parts of the loss, from unit embeddings [B, D] and centred teacher's vectors [B, T].

    point: cosine of both views to the teacher's clean embedding (on its principal axes).
    relation: squared error of all pairwise cosines against the teacher's.
    contrast: InfoNCE between the views, without look-alikes as negatives.
    found: an edited copy should score well above the threshold.
    apart: two different pictures should score well below it, and not above the teacher.
    """
    goal = functional.normalize(teacher @ axes.T, dim=1)
    wanted = teacher @ teacher.T
    among_clean, across = clean @ clean.T, edited @ clean.T
    own = torch.eye(len(clean), dtype=torch.bool)
    alike = (wanted > 0.9) & ~own
    other = ~own & ~alike
    pairs = torch.stack([among_clean[~own], across[~own]])
    logits = (across / TEMPERATURE).masked_fill(alike, -torch.inf)
    labels = torch.arange(len(clean))
    limit = wanted.clamp(0.3, THRESHOLD - 0.07)
    over = torch.stack([(among_clean - limit)[other], (across - limit)[other]])
    matched = across.diagonal()
    return {
        "point": 2.0 - (clean * goal).sum(1).mean() - (edited * goal).sum(1).mean(),
        "relation": (pairs - wanted[~own]).square().mean(),
        "contrast": (
            functional.cross_entropy(logits, labels) + functional.cross_entropy(logits.T, labels)
        )
        / 2,
        "found": (THRESHOLD + 0.05 - matched).clamp(min=0.0).mean(),
        "apart": over.clamp(min=0.0).square().mean(),
    }


def centre(vectors: Tensor, mean: Tensor) -> Tensor:
    """Unit vectors [N, T] with CENTRING of their mean [T] taken off, scaled to length 1 again.

    It spreads the cosines of different pictures, so that the room between them and those of
    copies does not shrink to nothing in a small network; their order stays nearly the same.
    """
    return functional.normalize(vectors - CENTRING * mean, dim=1)


@torch.no_grad()
def centre_head(student: Student, collection: Collection) -> None:
    """Take CENTRING of the student's mean embedding off its embeddings."""
    stream = Batches(collection, SIZE, 128, SEED + 2, 0)
    embedded = torch.cat([student(scale(stream.make(step)[0])) for step in range(4)])
    student.head.bias.sub_(CENTRING * embedded.mean(dim=0))


def scale(pictures: Tensor) -> Tensor:
    """uint8 [N, S, S, 3] to float32 [N, 3, S, S] from -1 to 1, channels last in memory."""
    return pictures.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def make_student(collection: Collection, weights: Path) -> tuple[Student, Tensor]:
    """The student before the first step, and the teacher's principal axes [DIM, T]."""
    torch.manual_seed(SEED)
    vectors = torch.from_numpy(collection.teacher)
    some = vectors[torch.randperm(len(vectors))[:20000]].float()
    axes = principal_axes(some, DIM)
    stream = Batches(collection, SIZE, 128, SEED + 1, 0)
    pictures = [scale(picture) for step in range(4) for picture in stream.make(step)[:2]]
    student = Student(WIDTHS, DIM)
    student.body = load_teacher(weights).to(memory_format=torch.channels_last)
    thin(
        student.body, load_teacher(weights).to(memory_format=torch.channels_last), pictures, WIDTHS
    )
    student.head.weight.data, student.head.bias.data = axes.clone(), torch.zeros(DIM)
    for layer in student.body.layers:
        for name, value in list(layer.named_buffers()):
            setattr(layer, name, value.clone())  # no inference-mode tensors
    for parameter in student.parameters():
        parameter.data = parameter.data.clone()
    centre_head(student, collection)
    return student, axes.clone()


def optimizer_of(student: Student) -> torch.optim.Optimizer:
    """AdamW with weight decay on the convolutions' and the head's weights only."""
    weights = [value for value in student.parameters() if value.ndim > 1]
    others = [value for value in student.parameters() if value.ndim == 1]
    groups = [{"params": weights, "weight_decay": 1e-2}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99))


@torch.no_grad()
def follow(average: Student, student: Student, step: int) -> None:
    """Move the average of the weights on."""
    keep = min(AVERAGE, (1 + step) / (20 + step))
    for mean, value in zip(average.parameters(), student.parameters(), strict=True):
        mean.lerp_(value, 1.0 - keep)


def save(path: Path, state: dict[str, object]) -> None:
    """Write a checkpoint; a reader sees the old one or the new one, whole."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def rate_at(step: int, cooling: tuple[int, int] | None) -> float:
    """The learning rate: warm-up, constant, and a linear fall between the steps of `cooling`."""
    rate = RATE * min(1.0, (step + 1) / WARMUP)
    if cooling:
        first, last = cooling
        rate *= max(0.0, 1.0 - (step - first) / (last - first))
    return rate


def main() -> None:
    """Train until stopped, or until the cooldown is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--cooldown", type=Path, help="checkpoint to cool down from")
    parser.add_argument("--steps", type=int, default=600, help="length of the cooldown")
    parser.add_argument("--frozen", type=int, default=0, help="first layers left as they are")
    parser.add_argument("--bfloat16", action="store_true", help="on CPUs that are faster so")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.run.mkdir(parents=True, exist_ok=True)
    last = arguments.run / "last.pt"
    collection = load_collection(arguments.data)
    print(f"{len(collection.place)} pictures", flush=True)

    source = last if last.exists() else arguments.cooldown
    if source:
        state = torch.load(source, weights_only=True)
        student, axes, step = Student(state["widths"], DIM), state["axes"], state["step"]
        student.load_state_dict(state["student"])
        average = copy.deepcopy(student)
        average.load_state_dict(state["average"])
        seconds, cooling = state["seconds"], state.get("cooling")
    else:
        student, axes = make_student(collection, arguments.teacher)
        average, step, seconds, cooling = copy.deepcopy(student), 0, 0.0, None
    generator = torch.Generator().manual_seed(SEED)
    some = torch.randperm(len(collection.teacher), generator=generator)[:20000]
    mean = torch.from_numpy(collection.teacher[some.numpy()].astype("float32")).mean(dim=0)
    if source and not state.get("centred"):
        for model in (student, average):
            centre_head(model, collection)
    if arguments.cooldown and cooling is None:
        cooling = (step, step + arguments.steps)
    student.to(memory_format=torch.channels_last)
    optimizer = optimizer_of(student)
    if source and "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])
    weights = Losses()
    stream = Batches(collection, SIZE, BATCH, SEED, step)
    loader = DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=6)

    def checkpoint() -> None:
        save(
            last,
            {
                "student": student.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "axes": axes,
                "widths": student.body.widths,
                "step": step,
                "seconds": seconds,
                "cooling": cooling,
                "centred": True,
                "pictures": len(collection.place),
            },
        )

    if not source:
        checkpoint()
        os.link(last, arguments.run / "first.pt")
    sums: dict[str, float] = defaultdict(float)
    began = saved = time.monotonic()
    for clean, edited, teacher in loader:
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, cooling)
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bfloat16):
            embedded = student(scale(torch.cat([clean, edited])), arguments.frozen)
        first, second = functional.normalize(embedded.float(), dim=1).chunk(2)
        parts = loss_parts(first, second, centre(teacher, mean), axes)
        loss = torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        follow(average, student, step)
        step += 1
        for name, part in parts.items():
            sums[name] += part.item() / 20
        sums["match"] += (first * second).sum(1).mean().item() / 20
        if step % 20 == 0:
            now = time.monotonic()
            seconds += now - began
            speed = 20 * 2 * BATCH / (now - began)
            words = " ".join(f"{name} {value:.4f}" for name, value in sums.items())
            print(f"step {step} {seconds:.0f}s {speed:.0f} img/s {words}", flush=True)
            sums.clear()
            began = now
            finished = cooling is not None and step >= cooling[1]
            if now - saved > CHECKPOINT_SECONDS or finished:
                checkpoint()
                saved = now
            if finished:
                break


if __name__ == "__main__":
    main()

"""Train the network with SSCD as its teacher, on a GPU or a CPU.

    python train.py --data DATA --run RUN --init weights.npz --seconds 700
    python train.py --data DATA --run RUN --init weights.npz --steps 200 --batch 32 --device cpu

DATA is what teach.py writes; parts that appear there later are taken up. RUN receives last.pt (the
checkpoint, once a minute), weights.npz (the averaged weights, folded, float16), before-int8.npz
(the same when the last third begins) and log.jsonl. Stop it at any time: the same command resumes.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from data import Pictures
from edits import Edits
from losses import WEIGHTS, Memory, losses
from network import Student, load_arrays, save_arrays
from recipes import FIRST_VIEW, SECOND_VIEW
from schedule import Schedule, learning_rate
from torch import Tensor
from torch.nn import functional
from trial import scale, try_edits

AVERAGE = 0.998  # of the running average of the weights, each step
LOG_EVERY = 100  # steps


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    data: Path
    run: Path
    init: Path
    seconds: float
    steps: int | None
    batch: int
    rate: float
    device: str
    quantise_from: float
    capacity: int
    held: int
    memory: int
    save_every: float
    trial_every: float
    compile: bool


class Trainer:
    """One run: the student, its averaged weights, the optimiser, the data."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.device = torch.device(options.device)
        options.run.mkdir(parents=True, exist_ok=True)
        self.pictures = Pictures(options.data, options.capacity, options.held, self.device)
        self.log(pictures=self.pictures.count, held=self.pictures.held)
        self.edits = Edits(self.device)
        self.student = Student(load_arrays(options.init)).to(self.device)
        self.student = self.student.to(memory_format=torch.channels_last)
        self.averaged = Student(load_arrays(options.init)).to(self.device)
        self.averaged = self.averaged.to(memory_format=torch.channels_last)
        self.weights = torch.tensor(list(WEIGHTS.values()), device=self.device)
        self.optimiser = self.make_optimiser()
        self.memory = Memory(options.memory, 256, 512, self.device)
        self.schedule = Schedule(options.run, options.seconds, options.steps)
        self.step, self.batch, self.quantised = 0, options.batch, False
        if not self.resume():
            self.calibrate()
        self.call = torch.compile(self.student) if options.compile else self.student

    def log(self, **figures: Any) -> None:
        """Print figures, and append them to log.jsonl."""
        line = json.dumps(figures)
        print(line, flush=True)
        with (self.options.run / "log.jsonl").open("a") as file:
            file.write(line + "\n")

    def make_optimiser(self) -> torch.optim.Optimizer:
        """AdamW; biases and normalisations do not decay."""
        parameters = list(self.student.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.02},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(
            groups, lr=self.options.rate, betas=(0.9, 0.98), fused=self.device.type == "cuda"
        )

    def calibrate(self) -> None:
        """Give the normalisations the statistics of clean pictures; the function stays the same."""
        rows = slice(self.pictures.held, self.pictures.held + 512)
        views = self.edits.clean(self.pictures.pixels[rows][: self.pictures.count])
        self.student.calibrate(scale(views, half=False))
        self.averaged.load_state_dict(self.student.state_dict())

    def resume(self) -> bool:
        """Go on from the run's checkpoint; returns whether there is one."""
        path = self.options.run / "last.pt"
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.quantised = state["step"], state["quantised"]
        self.schedule.spent = state["spent"]
        self.log(resumed=self.step)
        return True

    def save(self) -> None:
        """Write the checkpoint and the folded weights, each atomically."""
        path = self.options.run / "last.pt"
        partial = path.with_name("last.partial.pt")
        state = {
            "student": self.student.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "quantised": self.quantised,
            "spent": self.schedule.elapsed(),
        }
        torch.save(state, partial)
        os.replace(partial, path)
        save_arrays(self.options.run / "weights.npz", self.averaged.fold())

    @torch.no_grad()
    def make_views(self, rows: Tensor) -> Tensor:
        """Two views of each picture as the network's input: [2B, 3, side, side]."""
        pixels, aspects = self.pictures.pixels[rows], self.pictures.aspects[rows]
        views = [self.edits.views(pixels, aspects, each) for each in (FIRST_VIEW, SECOND_VIEW)]
        return scale(torch.cat(views), half=self.device.type == "cuda")

    def advance(self, rate: float) -> Tensor:
        """One optimiser step on a new batch; returns the losses in the order of WEIGHTS."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        rows = self.pictures.draw(self.batch)
        views = self.make_views(rows)
        on_gpu = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu):
            embeddings = self.call(views, self.quantised)
        unit = functional.normalize(embeddings.float(), dim=1)
        vectors = self.pictures.vectors[rows]
        lifted = self.student.up(unit)
        parts = losses(*unit.chunk(2), lifted, vectors, self.memory)
        self.optimiser.zero_grad(set_to_none=True)
        (parts * self.weights).sum().backward()
        self.memory.add(unit.detach(), vectors.repeat(2, 1))
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        self.average()
        return parts.detach()

    @torch.no_grad()
    def average(self) -> None:
        """Move the averaged weights and statistics towards the present ones."""
        share = 1 - min(AVERAGE, self.step / (self.step + 10))
        old = [t for t in self.averaged.state_dict().values() if t.is_floating_point()]
        new = [t for t in self.student.state_dict().values() if t.is_floating_point()]
        torch._foreach_lerp_(old, new, share)

    def advance_if_it_fits(self, rate: float) -> Tensor | None:
        """One step; halves the batch and returns None where the device's memory is too small."""
        try:
            return self.advance(rate)
        except torch.cuda.OutOfMemoryError:
            self.optimiser.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        self.batch //= 2
        self.log(out_of_memory=self.step, batch=self.batch)
        return None

    def start_quantising(self) -> None:
        """Keep the weights as before-int8.npz; from now on train what an int8 network computes."""
        save_arrays(self.options.run / "before-int8.npz", self.averaged.fold())
        self.quantised = True
        self.log(quantised_from=self.step)

    def try_out(self) -> None:
        """Log the recall of the averaged weights on pictures held out."""
        for quantised in {False, self.quantised}:
            figures = try_edits(self.averaged, self.pictures, self.edits, quantised)
            self.log(trial=self.step, quantised=quantised, **figures)

    def report(self, parts: Tensor, rate: float, views: int, seconds: float) -> None:
        """Log the losses and the speed; fails if a loss is no number."""
        figures = {n: round(v, 4) for n, v in zip(WEIGHTS, parts.tolist(), strict=True)}
        if not all(v == v for v in figures.values()):
            raise FloatingPointError(f"the losses of step {self.step} are no numbers: {figures}")
        spent = round(self.schedule.elapsed(), 1)
        speed = round(views / max(seconds, 1e-9))
        self.log(step=self.step, spent=spent, rate=rate, views_per_second=speed, **figures)

    def take_up_parts(self) -> None:
        """Load parts that have appeared since the last look."""
        if self.pictures.load_new_parts():
            self.pictures.find_neighbours()
            self.log(pictures=self.pictures.count, spent=round(self.schedule.elapsed(), 1))

    def run(self) -> None:
        """Train to the end of the schedule."""
        self.try_out()
        saved = tried = reported = time.time()
        views = 0
        while (progress := self.schedule.progress(self.step)) < 1:
            if progress >= self.options.quantise_from and not self.quantised:
                self.start_quantising()
            rate = learning_rate(self.options.rate, self.step, progress)
            parts = self.advance_if_it_fits(rate)
            views += 2 * self.batch
            if parts is None:
                continue
            if self.step % LOG_EVERY == 0 or self.step in (1, 5, 20):
                self.report(parts, rate, views, time.time() - reported)
                self.take_up_parts()
                views, reported = 0, time.time()
            if time.time() - saved > self.options.save_every:
                self.save()
                saved = time.time()
            if time.time() - tried > self.options.trial_every:
                self.try_out()
                tried = time.time()
        self.save()
        self.try_out()
        self.log(finished=self.step, spent=round(self.schedule.elapsed(), 1))


def parse() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True, help="folded weights to start from")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=1024, help="pictures, two views each")
    parser.add_argument("--rate", type=float, default=5e-4, help="peak learning rate")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quantise-from", type=float, default=1.0, help="share of the run")
    parser.add_argument("--capacity", type=int, default=130_000, help="most pictures in memory")
    parser.add_argument("--held", type=int, default=2048, help="pictures kept for evaluation")
    parser.add_argument("--memory", type=int, default=16384, help="earlier embeddings kept")
    parser.add_argument("--save-every", type=float, default=60.0, help="seconds")
    parser.add_argument("--trial-every", type=float, default=120.0, help="seconds")
    parser.add_argument("--compile", action="store_true")
    return Options(**vars(parser.parse_args()))


def main() -> None:
    """Train; matrix products on a GPU may use TF32."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    Trainer(parse()).run()


if __name__ == "__main__":
    main()

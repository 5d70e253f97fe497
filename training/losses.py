"""The losses of one batch: two views of each picture, and the teacher's vectors.

Two pictures are look-alikes where the teacher's cosine is at least LOOK_ALIKE; they may show the
same, so the contrastive losses do not push them apart. How similar they should be is what
`relation` says.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

LOOK_ALIKE = 0.7
TEMPERATURE = 0.05
MARGIN = 0.6  # score that `separate` keeps different pictures below
COPIES = 0.82  # score that `separate` lifts two views of a picture above
SLOPE = 0.06
LOWERED = 1.25  # power of the teacher's cosine that `relate` aims at
WEIGHTS = {"point": 2.0, "relate": 8.0, "contrast": 1.0, "separate": 0.5, "align": 1.5, "spread": 1}


class Memory:
    """Embeddings of earlier batches, as further negatives: a ring of `size` rows."""

    def __init__(self, size: int, dim: int, teacher_dim: int, device: torch.device) -> None:
        self.embeddings = torch.zeros(size, dim, device=device)
        self.vectors = torch.zeros(size, teacher_dim, device=device)
        self.filled = torch.zeros(size, dtype=torch.bool, device=device)
        self.at = 0

    @torch.no_grad()
    def add(self, embeddings: Tensor, vectors: Tensor) -> None:
        """Store rows over the oldest ones."""
        rows = (torch.arange(len(embeddings), device=self.filled.device) + self.at) % len(
            self.filled
        )
        self.embeddings[rows] = embeddings.to(self.embeddings)
        self.vectors[rows] = vectors
        self.filled[rows] = True
        self.at = (self.at + len(embeddings)) % len(self.filled)


@dataclass(slots=True)
class Pairs:
    """Scores among all views of a batch, [2B, 2B], and what the teacher says of them."""

    scores: Tensor
    teacher: Tensor  # the teacher's cosines; 1 for two views of one picture
    other: Tensor  # bool: different pictures that are no look-alikes
    itself: Tensor  # bool: the diagonal


def compare(views: Tensor, vectors: Tensor) -> Pairs:
    """Score unit embeddings [2B, D] (first views, then second) against each other."""
    count = len(vectors)
    itself = torch.eye(2 * count, dtype=torch.bool, device=views.device)
    same = torch.eye(count, dtype=torch.bool, device=views.device)
    teacher = (vectors @ vectors.T).masked_fill(same, 1.0).repeat(2, 2)
    return Pairs(views @ views.T, teacher, teacher < LOOK_ALIKE, itself)


def relate(pairs: Pairs) -> Tensor:
    """Squared error of all scores to the teacher's, those of look-alikes a little lowered.

    Alike pairs count up to 31 times. A score of two pictures decides from where copies are told
    from look-alikes, so it should stay below the teacher's: 0.84 becomes 0.80, and 1 stays 1.
    """
    target = pairs.teacher.clamp(min=0) ** LOWERED
    weight = (1 + 30 * target**2).masked_fill(pairs.itself, 0.0)
    return ((pairs.scores - target) ** 2 * weight).mean()


def contrast(pairs: Pairs, positive: Tensor, further: Tensor) -> Tensor:
    """InfoNCE of each view against all other pictures of the batch and of the memory.

    `positive` [2B]: score with the picture's other view. `further` [2B, M]: scores with the
    memory, -1 where they do not count.
    """
    negative = pairs.scores.masked_fill(~pairs.other, -1.0)
    logits = torch.cat([positive[:, None], negative, further], 1) / TEMPERATURE
    return (torch.logsumexp(logits, 1) - positive / TEMPERATURE).mean()


def separate(pairs: Pairs, positive: Tensor, further: Tensor) -> Tensor:
    """Logistic loss of every pair at two scores, the same for all pictures."""
    negative = torch.cat([pairs.scores.masked_fill(~pairs.other, -1.0), further], 1)
    above = functional.softplus((negative - MARGIN) / SLOPE).sum(1).mean()
    return above + functional.softplus((COPIES - positive) / SLOPE).mean()


def spread(pairs: Pairs) -> Tensor:
    """SSCD's entropy term: minus the logarithm of the distance to the nearest other picture."""
    nearest = pairs.scores.masked_fill(~pairs.other, -1.0).amax(1)
    return -torch.log((2 - 2 * nearest).clamp(min=1e-4).sqrt()).mean()


def losses(
    first: Tensor, second: Tensor, lifted: Tensor, vectors: Tensor, memory: Memory
) -> Tensor:
    """All losses of a batch, in the order of WEIGHTS: [6].

    first, second: unit embeddings [B, D] of the two views; lifted: both, mapped to the teacher's
    space [2B, 512]; vectors: the teacher's unit vectors [B, 512].
    """
    views = torch.cat([first, second])
    both = vectors.repeat(2, 1)
    pairs = compare(views, vectors)
    positive = (first * second).sum(1).repeat(2)
    alike = both @ memory.vectors.T >= LOOK_ALIKE
    further = (views @ memory.embeddings.T).masked_fill(alike | ~memory.filled, -1.0)
    point = (1 - functional.cosine_similarity(lifted, both)).mean()
    return torch.stack(
        [
            point,
            relate(pairs),
            contrast(pairs, positive, further),
            separate(pairs, positive, further),
            (1 - positive).mean(),
            spread(pairs),
        ]
    )

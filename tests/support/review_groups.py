"""Groups as a review shows them, made without an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import combinations
from pathlib import Path
from typing import Any

from support.html_pages import webp
from vecsim.records import ImageFacts, ImageRef
from vecsim.render.review import GroupFacts, ReviewHead, open_review
from vecsim.results import Cluster


def group(names: Sequence[str], scores: Sequence[float], first_key: int = 1) -> Cluster:
    """A group of the images `names` of a web site; `scores`: of the others with the first."""
    size = len(names)
    values: dict[str, Any] = {
        "members": tuple(
            ImageRef(
                name.rpartition("/")[2],
                f"https://pictures.example/all/{name}",
                {"title": f"title, of {name}"},
            )
            for name in names
        ),
        "facts": tuple(
            ImageFacts(width=640 - n, height=480, byte_count=34_000 - 1000 * n) for n in range(size)
        ),
        "scores": (1.0, *scores),
        "keys": tuple(range(first_key, first_key + size)),
        "keep": (True,) + (False,) * (size - 1),
        "reasons": ("most pixels",) + ("a copy of it",) * (size - 1),
        "smallest_score": min(scores if size == 2 else (*scores, 0.8)),
    }
    known = (each.name for each in fields(Cluster) if each.name in values)
    return Cluster(**{name: values[name] for name in known})


def write_review(path: Path, groups: Sequence[Cluster], **head: Any) -> Path:
    """Write a review; the pair of the second and third image of a group has the score 0.8."""
    with open_review(
        path, ReviewHead(**{"title": "My pictures", "fields": ["title"], **head})
    ) as page:
        for each in groups:
            pairs = [
                each.scores[two] if one == 0 else 0.8
                for one, two in combinations(range(len(each)), 2)
            ]
            details = [["taken 2024-05-31", "Canon EOS"]] * len(each)
            page.add(
                each, GroupFacts(pairs, details), lambda keys: {k: webp(k) for k in keys if k != 9}
            )
    return path

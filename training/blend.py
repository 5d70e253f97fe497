"""Blend a trained checkpoint with the inherited weights it started from.

    python blend.py FIRST.pt RUN/last.pt 0.6 BLENDED.pt

Halfway between both, the student follows the teacher better than at either end, and keeps most of
what it learnt about edits. The result is a checkpoint to ship or to go on from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch


def main() -> None:
    """Write `share` of the trained average and the rest of the first weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("trained", type=Path)
    parser.add_argument("share", type=float)
    parser.add_argument("target", type=Path)
    parser.add_argument("--centring", type=float, default=0.0, help="more of the first centring")
    arguments = parser.parse_args()
    first = torch.load(arguments.first, weights_only=True)
    trained = torch.load(arguments.trained, weights_only=True)
    weights = {
        name: torch.lerp(value, trained["average"][name], arguments.share)
        for name, value in first["average"].items()
    }
    weights["head.bias"] += arguments.centring * first["average"]["head.bias"]
    blended = {key: trained[key] for key in ("axes", "widths", "step", "seconds")}
    blended |= {"student": weights, "average": weights, "cooling": None, "centred": True}
    torch.save(blended, arguments.target)


if __name__ == "__main__":
    main()

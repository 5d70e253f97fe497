"""Damages image files at random, reproducibly from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Boundary values for lengths, counts and offsets."""


def mutants(originals: Sequence[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield `count` damaged files, the same ones for the same arguments."""
    chance = random.Random(seed)
    for _ in range(count):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            chance.choice((_flip, _flip, _header, _number, _cut, _remove, _repeat, _splice))(
                data, chance, originals
            )
        yield bytes(data)


def _flip(data: bytearray, chance: random.Random, originals: Sequence[bytes]) -> None:
    for _ in range(chance.choice((1, 2, 8, 64))):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _header(data: bytearray, chance: random.Random, originals: Sequence[bytes]) -> None:
    for _ in range(chance.choice((1, 2, 4))):
        if data:
            data[chance.randrange(min(len(data), 256))] = chance.randrange(256)


def _number(data: bytearray, chance: random.Random, originals: Sequence[bytes]) -> None:
    width = chance.choice((1, 2, 4))
    place = chance.randrange(min(len(data), chance.choice((64, 1024, 1 << 20))) + 1)
    value = chance.choice(_EDGES) & ((1 << 8 * width) - 1)
    data[place : place + width] = value.to_bytes(width, chance.choice(("little", "big")))


def _cut(data: bytearray, chance: random.Random, originals: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _remove(data: bytearray, chance: random.Random, originals: Sequence[bytes]) -> None:
    place = chance.randrange(len(data) + 1)
    del data[place : place + chance.choice((1, 4, 100, 5000))]


def _repeat(data: bytearray, chance: random.Random, originals: Sequence[bytes]) -> None:
    place = chance.randrange(len(data) + 1)
    data[place:place] = data[place : place + chance.choice((1, 4, 100, 5000))]


def _splice(data: bytearray, chance: random.Random, originals: Sequence[bytes]) -> None:
    other = chance.choice(originals)
    place = chance.randrange(len(data) + 1)
    data[place:] = other[chance.randrange(len(other) + 1) :]

"""An HTTP server on loopback with generated pictures; counts requests."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from email.message import Message
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageDraw

from support.servers.counting import CountingServer


def picture(number: int, size: int = 64) -> bytes:
    """A PNG that is different for each number: random shapes, with the number as seed."""
    random = np.random.default_rng(number)
    image = Image.new("RGB", (size, size), tuple(random.integers(0, 255, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, width, height = random.integers(0, size, 4).tolist()
        box = (x, y, x + width // 2 + 4, y + height // 2 + 4)
        colour = tuple(random.integers(0, 255, 3).tolist())
        (draw.ellipse if random.random() < 0.5 else draw.rectangle)(box, fill=colour)
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=1)
    return data.getvalue()


def id_of(number: int) -> str:
    """The id of a picture; ids sorted as text are not in the order of their numbers."""
    return f"p{number * 7919 % 10007}"


def phash(data: bytes) -> np.ndarray:
    """The expected vector of the model `phash`, computed without vecsim, for a small picture."""
    grey = Image.open(io.BytesIO(data)).convert("L")
    bits = imagehash.phash(grey.resize((128, 128), Image.Resampling.BILINEAR)).hash.reshape(64)
    return np.where(bits, np.float32(0.125), np.float32(-0.125))


class Shop(CountingServer):
    """Serves `/N.png` for the numbers below `count`, 404 for others, after `delay` seconds."""

    def __init__(self, count: int, delay: float = 0.0) -> None:
        super().__init__(delay)
        self.pictures = [picture(number) for number in range(count)]

    def answer(self, path: str, headers: Message) -> tuple[int, Mapping[str, str], bytes]:
        number = int(path.strip("/").removesuffix(".png"))
        if number < len(self.pictures):
            return 200, {}, self.pictures[number]
        return 404, {}, b"no such picture"

    @property
    def total(self) -> int:
        """The number of requests so far."""
        return self.requests.total()

    def url(self, number: int) -> str:
        return f"{self.address}/{number}.png"

    def list_to(self, path: Path, numbers: Sequence[int]) -> Path:
        """Write a CSV of the pictures with these numbers."""
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "name", "url"])
            for number in numbers:
                writer.writerow([id_of(number), f"name {number}", self.url(number)])
        return path

"""An HTTP server on loopback with generated pictures; counts requests."""

from __future__ import annotations

import csv
import io
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageDraw


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
    """The expected vector of the model `phash`, computed without vecsim."""
    bits = imagehash.phash(Image.open(io.BytesIO(data)).convert("L")).hash.reshape(64)
    return np.where(bits, np.float32(0.125), np.float32(-0.125))


class Shop:
    """Serves `/N.png` for the numbers below `count`, 404 for others, after `delay` seconds."""

    def __init__(self, count: int, delay: float = 0.0) -> None:
        self.pictures = [picture(number) for number in range(count)]
        self.delay = delay
        self.requests: Counter[str] = Counter()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                shop.requests[self.path] += 1
                time.sleep(shop.delay)
                number = int(self.path.strip("/").removesuffix(".png"))
                found = number < len(shop.pictures)
                body = shop.pictures[number] if found else b"no such picture"
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """Ignore closed connections: tests kill clients."""

        self._server = Server(("127.0.0.1", 0), Handler)

    @property
    def total(self) -> int:
        """The number of requests so far."""
        return self.requests.total()

    def url(self, number: int) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{number}.png"

    @contextmanager
    def open(self) -> Iterator[Shop]:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        yield self
        self._server.shutdown()
        self._server.server_close()

    def list_to(self, path: Path, numbers: Sequence[int]) -> Path:
        """Write a CSV of the pictures with these numbers."""
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "name", "url"])
            for number in numbers:
                writer.writerow([id_of(number), f"name {number}", self.url(number)])
        return path

"""Pictures that cost far more than their bytes, and clients who send them to delay others."""

from __future__ import annotations

import io
import re
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from support.web_server import PICTURES, serving
from vecsim.decode import DecodeLimits, DecoderPool, decode_image
from vecsim.decode.fair_queue import FairQueue
from vecsim.decode.structure import check_structure
from vecsim.errors import ImageError
from vecsim.protocols import Preparation

SQUARE = Preparation(8, "nearest")


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG, whose last scan is repeated."""
    stream = io.BytesIO()
    Image.new("L", (side, side)).save(stream, "JPEG", progressive=True, quality=50)
    whole = stream.getvalue()
    starts = [found.start() for found in re.finditer(b"\xff\xda", whole)]
    return whole[:-2] + whole[starts[-1] : -2] * (scans - len(starts)) + b"\xff\xd9"


def chunk(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_chunks(count: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "PNG")
    whole = stream.getvalue()
    return whole[:33] + chunk(b"abCd") * count + whole[33:]


def gif_of_comments(count: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "GIF")
    whole = stream.getvalue()
    start = 13 + 3 * (2 << (whole[10] & 7))
    return whole[:start] + b"\x21\xfe\x01a\x00" * count + whole[start:]


def animation(format: str, frames: int) -> bytes:
    stream = io.BytesIO()
    pictures = [Image.new("L", (20, 20), n * 99 % 256) for n in range(frames)]
    pictures[0].save(stream, format, save_all=True, append_images=pictures[1:])
    return stream.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(data, SQUARE)
    assert caught.value.kind == "too-large"
    return caught.value.message


# -- before decoding ------------------------------------------------------------------------------


def test_a_jpeg_of_many_scans_is_refused_at_once() -> None:
    """The attack: 224 KB that keep a decoder busy for 20 seconds."""
    hostile = jpeg_of_scans(8000, 3000)
    assert len(hostile) < 1_000_000
    began = time.monotonic()
    assert "more than 64 scans" in refusal(hostile)
    assert time.monotonic() - began < 1.0


def test_a_jpeg_of_as_many_scans_as_encoders_write_is_decoded() -> None:
    for scans in (6, 24, 64):
        assert decode_image(jpeg_of_scans(64, scans), SQUARE).width == 64
    refusal(jpeg_of_scans(64, 65))


def test_scans_of_an_embedded_or_a_following_picture_do_not_count() -> None:
    small = jpeg_of_scans(8, 64)
    first = (PICTURES / "1.jpg").read_bytes()
    embedded = first[:2] + b"\xff\xe1" + struct.pack(">H", len(small) + 2) + small + first[2:]
    video = b"\x00\x00\x00\x18ftypmp42" + b"\xff\xda" * 1000
    for data in (embedded, first + small, first + video):
        check_structure(data)
    decode_image(embedded, SQUARE)
    decode_image(first + video, SQUARE)


def test_marker_floods_are_refused_at_once() -> None:
    began = time.monotonic()
    for flood in (
        b"\xff\xd8" + b"\xff\x01" * 5_000_000,
        b"\xff\xd8" + b"\xff\xe0\x00\x00" * 3_000_000,
        b"\xff\xd8" + b"\xff" * 10_000_000,
    ):
        with pytest.raises(ImageError):
            decode_image(flood, SQUARE)
    assert time.monotonic() - began < 3.0


def test_floods_of_chunks_and_comments_are_refused_at_once() -> None:
    began = time.monotonic()
    assert "more than 50,000 parts" in refusal(png_of_chunks(1_000_000))
    assert "more than 50,000 parts" in refusal(gif_of_comments(1_000_000))
    check_structure(gif_of_comments(0)[:-1] + b"\x01a" * 5_000_000)
    assert time.monotonic() - began < 3.0
    decode_image(png_of_chunks(1000), SQUARE)
    decode_image(gif_of_comments(1000), SQUARE)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_animations_of_very_many_frames_are_refused(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decode_image(animation(format, 20), SQUARE).width == 20
    monkeypatch.setattr("vecsim.decode.structure.MAX_FRAMES", 9)
    assert "more than 9 frames" in refusal(animation(format, 20))


def test_cut_files_are_left_to_the_decoder() -> None:
    for data in (jpeg_of_scans(64, 6), png_of_chunks(3), gif_of_comments(3), animation("WEBP", 3)):
        for end in range(len(data)):
            check_structure(data[:end])


def test_pictures_of_the_corpus_are_not_refused(shared: Path) -> None:
    """Real and odd files: none has so many parts."""
    for path in sorted((shared / "hostile-images").iterdir()):
        if path.is_file():
            check_structure(path.read_bytes())


# -- turns ----------------------------------------------------------------------------------------


def test_clients_take_turns_in_the_queue() -> None:
    queue: FairQueue[str] = FairQueue()
    for client, items in (("a", "12345"), ("b", "67"), ("c", "8")):
        for item in items:
            queue.put(item, client)
    queue.end(2)
    assert "".join(queue.get() or "" for _ in range(8)) == "16827345"
    assert [queue.get(), queue.get()] == [None, None]


def test_a_queue_wakes_those_that_wait() -> None:
    queue: FairQueue[int] = FairQueue()
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(queue.get) for _ in range(4)]
        threading.Event().wait(0.05)
        for number in range(3):
            queue.put(number, str(number))
        queue.end(1)
        assert {each.result(5) for each in found} == {0, 1, 2, None}


def test_a_picture_of_another_client_is_decoded_next() -> None:
    """Ten pictures of one client, half a second each, do not delay the first of another."""
    slow = png_of_chunks(20_000)
    fast = (PICTURES / "1.jpg").read_bytes()
    with DecoderPool(1, SQUARE, DecodeLimits(), prefetch=1) as pool:
        pool.submit(fast).result()
        began = time.monotonic()
        pool.submit(slow, "hostile").result()
        one = time.monotonic() - began
        queued = [pool.submit(slow, "hostile") for _ in range(10)]
        pool.submit(fast, "honest").result()
        assert sum(each.done() for each in queued) <= 2, one
        for each in queued:
            each.cancel()


@pytest.mark.ci
def test_an_upload_does_not_wait_behind_those_of_another_client(built: Path) -> None:
    """Six uploads kept the decoders busy for 20 s each, and an honest one waited for 40."""
    slow = jpeg_of_scans(3000, 40)
    with serving(built, decode_seconds=10.0) as server:
        hostile = httpx.HTTPTransport(local_address="127.0.0.2")
        url, kind = server.api("indexes/six/search/upload"), {"Content-Type": "image/png"}
        with httpx.Client(timeout=60, transport=hostile) as other, ThreadPoolExecutor(8) as pool:
            sent = [pool.submit(other.post, url, content=slow, headers=kind) for _ in range(6)]
            time.sleep(0.3)
            server.search("six", (PICTURES / "2.jpg").read_bytes(), k=1)
            waiting = sum(not each.done() for each in sent)
            assert waiting >= 3, "the honest upload was decoded after the others"
            assert {each.result().status_code for each in sent} <= {200, 422, 503}


@pytest.mark.ci
def test_uploads_have_a_small_deadline(built: Path) -> None:
    with serving(built, decode_seconds=1.0) as server:
        answer = server.client.post(
            server.api("indexes/six/search/upload"),
            content=jpeg_of_scans(8000, 64),
            headers={"Content-Type": "image/jpeg"},
        )
        assert answer.status_code == 422
        assert answer.json()["kind"] == "crashed"
        assert "did not end within 1 s" in answer.json()["detail"]

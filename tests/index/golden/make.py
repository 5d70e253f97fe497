"""Makes the golden indexes of the present format. Run it once for each new format, only then.

    python tests/index/golden/make.py v8        an index of given vectors, with everything a row has
    python tests/index/golden/make.py bundled-3  one of demo pictures, by the bundled model

What is committed must never be made again: that old files still load is the point. v1 and v2 were
made by earlier versions of this script and hold less, and so were v3, v6 and v7, which lack the
entropy or the mark of unlisted images; `vectors()` and `FIELDS` are theirs too.
"""

from __future__ import annotations

import io
import sys
import tempfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from vecsim import Index
from vecsim.index.writer import Writer
from vecsim.operations.building import add_outcomes
from vecsim.operations.index_settings import store_threshold
from vecsim.records import Embedded, Failure, ImageFacts, ImageRef

FIELDS = [{"name": f"Größe {row}"} for row in range(40)]
REMOVED = ("image-3", "image-30")
THRESHOLD = 0.75
MISSING = "image-12"
UNLISTED = "image-13"
WARNING = "Truncated File Read\nCorrupt EXIF data"
NEWER = "2026-11-26T18:00:00.000000+00:00"
DEMO = Path(__file__).parents[3] / "demo" / "images"


def vectors() -> np.ndarray:
    """40 vectors (40, 8) of small whole numbers, so that every score can be checked by hand."""
    rows, columns = np.indices((40, 8))
    return ((rows * (columns + 2) * 7 + columns * columns) % 11 - 5).astype(np.float32)


def thumbnail(row: int) -> bytes:
    """A WebP picture of 16 by 12 pixels in one colour, another one for each row."""
    file = io.BytesIO()
    Image.new("RGB", (16, 12), (6 * row, 255 - 6 * row, 128)).save(file, "WEBP", quality=50)
    return file.getvalue()


def facts(row: int) -> ImageFacts:
    """What a download of image `row` could have been: some with an ETag, two with warnings."""
    return ImageFacts(
        final_url=f"https://cdn.example.com/{row}.jpg",
        http_status=200,
        byte_count=10_000 + row,
        # Images 8 and 9 have the same bytes.
        sha256=sha256(b"%d" % (8 if row == 9 else row)).hexdigest(),
        width=640 + row,
        height=480,
        format="PNG" if row % 4 == 3 else "JPEG",
        fetched_at=f"2026-11-26T17:00:{row:02}.250000+00:00",
        etag=f'"etag-{row}"' if row % 2 else None,
        last_modified="Wed, 25 Nov 2026 08:00:00 GMT" if row % 3 == 0 else None,
        warnings=WARNING if row in (6, 31) else "",
        entropy=None if row == 7 else 100 * row,
    )


FAILURES = [
    Failure(
        ImageRef("gone", "https://example.com/gone.jpg", {"name": "Weg"}),
        "http",
        "404 Not Found",
        http_status=404,
        final_url="https://cdn.example.com/gone.jpg",
        attempts=1,
        last_try="2026-11-26T17:01:00.000000+00:00",
    ),
    Failure(
        ImageRef("slow", "https://slow.example.com/1.jpg"),
        "timeout",
        "no answer within 30 seconds",
        attempts=3,
        last_try="2026-11-26T17:02:00.000000+00:00",
    ),
    # An image of the index that could not be refreshed: a failure and an image.
    Failure(
        ImageRef("image-7", "https://example.com/7.jpg", FIELDS[7]),
        "http",
        "503 Service Unavailable",
        http_status=503,
        attempts=4,
        last_try="2026-11-26T17:03:00.000000+00:00",
    ),
]


def make(path: Path) -> None:
    """An index of three segments with all that a row can say, removed images and failures."""
    Index.from_vectors(path, vectors()[:0], [], model="golden").close()
    unit = vectors() / np.linalg.norm(vectors(), axis=1, keepdims=True)
    images = [
        Embedded(
            ImageRef(f"image-{row}", f"https://example.com/{row}.jpg", FIELDS[row]),
            facts(row),
            unit[row],
            thumbnail(row) if row % 5 else b"",
        )
        for row in range(40)
    ]
    with Writer(path) as writer:
        writer.commit(images[:25], FAILURES[:2])
        writer.commit(images[25:38])
        (fifth,) = writer.catalog.images.by_id(["image-5"]).values()
        unchanged = replace(fifth, facts=replace(fifth.facts, fetched_at=NEWER, etag='"newer"'))
        writer.commit(images[38:], FAILURES[2:], [unchanged])
    with Index.open(path) as index:
        index.remove(REMOVED)
        index.decide("image-0", "image-1", "same")
        index.decide("image-10", "image-11", "different")
    with Writer(path) as writer, writer.catalog.transaction():
        source = writer.catalog.sources.register("shop", "/lists/shop.csv")
        writer.catalog.sources.claim(
            (image.ref.id, source.number, image.ref.url) for image in images
        )
        (twelfth,) = writer.catalog.images.by_id([MISSING]).values()
        writer.catalog.images.mark_missing([twelfth.key], NEWER)
        (unlisted,) = writer.catalog.images.by_id([UNLISTED]).values()
        writer.catalog.images.mark_missing([unlisted.key], NEWER, unlisted=True)
    store_threshold(path, THRESHOLD)


def make_bundled(path: Path) -> None:
    """An index of six pictures of the demo, as if they had been downloaded."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Index.create(Path(folder, "index"), "bundled") as index,
    ):
        index.add([ImageRef(file.stem, str(file)) for file in sorted(DEMO.glob("*.jpg"))])
        snapshot = index.snapshot
        rows = list(snapshot.all_rows())
        keys, found = snapshot.slice(0, snapshot.count)
        pictures = snapshot.thumbnails(keys.tolist())
        outcomes = [
            Embedded(
                replace(row.ref, url=f"https://example.com/{row.ref.id}.jpg"),
                replace(row.facts, final_url=f"https://example.com/{row.ref.id}.jpg"),
                vector.copy(),
                pictures[row.key],
            )
            for row, vector in zip(rows, found, strict=True)
        ]
        Index.create(path, "bundled").close()
        add_outcomes(path, outcomes)


if __name__ == "__main__":
    target = Path(__file__).parent / sys.argv[1]
    (make_bundled if target.name.startswith("bundled") else make)(target)

"""Changes single files of an index as a stranger could, with their structure in mind."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from support.mutants import mutants
from support.security.mutate_sqlite import (
    EDGES,
    change_log,
    change_page,
    change_row,
    change_schema,
    connect,
)

Mutate = Callable[[Path, random.Random], str]

# What a change may raise after an earlier one.
_IN_THE_WAY = (
    sqlite3.Error,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    RecursionError,
    struct.error,
)


def change_bytes(file: Path, chance: random.Random) -> str:
    """Flip, cut, repeat and overwrite bytes anywhere."""
    file.write_bytes(next(mutants([file.read_bytes()], 1, chance.randrange(1 << 30))))
    return "bytes"


def change_segment(file: Path, chance: random.Random) -> str:
    """Change headers, keys and vectors of a segment; the catalog may be updated."""
    data = bytearray(file.read_bytes())
    (count,) = struct.unpack_from("<q", data, 8)
    (dim,) = struct.unpack_from("<i", data, 4)
    keys_at = 90 + 4 * count * dim
    for _ in range(chance.choice((1, 1, 2, 4))):
        kind = chance.randrange(4)
        if kind == 0:
            place, width = chance.choice(
                ((0, 4), (4, 4), (8, 8), (32, 1), (33, 4), (41, 4), (45, 8))
            )
        elif kind == 1:
            place, width = chance.choice(((74, 8), (keys_at - 8, 8)))
        elif kind == 2:
            place, width = keys_at + 8 * chance.randrange(count), 8
        else:
            value = chance.choice((np.nan, np.inf, 0, 1e38, -1e38, 1e-45, 1e30))
            at = 82 + 4 * chance.randrange(count * dim)
            data[at : at + 4] = np.float32(value).tobytes()
            continue
        value = chance.choice((*EDGES, count + 1, count - 1))
        data[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) :]
    file.write_bytes(data)
    if chance.random() < 0.6:
        _update_catalog(file, bytes(data))
        return "segment, agreed"
    return "segment"


def _update_catalog(file: Path, data: bytes) -> None:
    """Store the changed size and SHA-256 of a segment in the catalog."""
    with closing(connect(file.parent.parent / "catalog.db")) as sql:
        sql.execute(
            "UPDATE segments SET byte_count = ?, sha256 = ?, checksum = NULL WHERE name = ?",
            [len(data), hashlib.sha256(data).hexdigest(), file.name],
        )


def change_sketch(folder: Path, chance: random.Random) -> str:
    """Change arrays of a sketch, their headers, or the list of them."""
    files = sorted(folder.glob("*.npy"))
    listed = folder / "sha256.json"
    file = chance.choice(files)
    kind = chance.randrange(5)
    if kind == 0:
        change_bytes(file, chance)
    elif kind == 1:
        array = np.load(file)
        shape = chance.choice(((0,), (1,), (3, 3), (1 << 20,), (*array.shape, 1), array.shape))
        dtype = chance.choice((np.int8, np.float64, np.int32, np.uint8, ">i4", np.float16, "O"))
        odd = np.resize(np.array([chance.choice((0, 1, -1, 127))], array.dtype), shape)
        np.save(file, odd.astype(dtype), allow_pickle=True)
    elif kind == 2:
        data = file.read_bytes()
        for old, new in ((b"(8,", b"(9999999999,"), (b"False", b"True "), (b"'|i1'", b"'|O1'")):
            if chance.random() < 0.5:
                data = data.replace(old, new, 1)
        file.write_bytes(data)
    elif kind == 3:
        names = json.loads(listed.read_text())
        odd_names = ("../../catalog", "../../../../victim/bashrc", "", "a/b", "x\0", "axes-plane9")
        names[chance.choice(odd_names)] = "0" * 64
        listed.write_text(json.dumps(names))
        return "sketch: names"
    else:
        listed.write_text(chance.choice(("", "[]", "{}", "[" * 50_000, '{"codes0": 1}', "null")))
        return "sketch: list"
    if chance.random() < 0.7:
        found = {each.stem: hashlib.sha256(each.read_bytes()).hexdigest() for each in files}
        listed.write_text(json.dumps(found))
    return "sketch"


def change_fingerprint(file: Path, chance: random.Random) -> str:
    """Replace the copy of the fingerprint by another JSON."""
    values = ("", "[" * 60_000, "{}", "null", '{"model": 1}', "x" * 100_000)
    odd = {
        "model": chance.choice(("phash", "external", "nonsense", 7, None, "../x")),
        "weights_sha256": chance.choice(("", "0" * 64, 3)),
        "preprocessing": chance.choice(("smooth-128-L-v3", "", None)),
        "dim": chance.choice((64, 0, -1, 1 << 40, "64", 1.5, True)),
    }
    text = chance.choice((*values, json.dumps(odd), json.dumps(odd), json.dumps(odd)))
    if chance.random() < 0.5:
        file.write_text(text)
        return "copy of the fingerprint"
    with closing(connect(file.parent / "catalog.db")) as sql:
        sql.execute(
            "UPDATE settings SET value = ?, checksum = NULL WHERE name = 'fingerprint'", [text]
        )
    return "fingerprint"


def change_index(path: Path, chance: random.Random) -> str:
    """Change one file of the index at `path`; return what was done."""
    segments = sorted((path / "segments").glob("*.faiss"))
    sketches = sorted((path / "sketches").iterdir())
    catalog, thumbnails = path / "catalog.db", path / "thumbnails.db"
    changes: list[tuple[int, Mutate, Path]] = [
        (6, change_page, catalog),
        (2, change_bytes, catalog),
        (6, change_row, catalog),
        (3, change_schema, catalog),
        (5, change_segment, chance.choice(segments)),
        (4, change_sketch, chance.choice(sketches)),
        (2, change_page, thumbnails),
        (1, change_bytes, thumbnails),
        (2, change_row, thumbnails),
        (1, change_schema, thumbnails),
        (1, change_fingerprint, path / "fingerprint.json"),
    ]
    for log in (path / "catalog.db-wal", path / "thumbnails.db-wal"):
        if log.exists():
            changes = [(6, change_log, log), (1, change_bytes, log), *changes[:2]]
    (_, change, file) = chance.choices(changes, [weight for weight, _, _ in changes])[0]
    try:
        done = change(file, chance)
    except _IN_THE_WAY as error:
        done = f"nothing, since an earlier change is in the way ({error})"
    return f"{file.relative_to(path)}: {done}"

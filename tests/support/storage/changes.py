"""Changes of an index that the walk interrupts; each can be interrupted anywhere and repeated.

A change is a list of steps, each of which one transaction makes visible; so what an index may hold
after an interruption is what it holds after some number of them.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from support.on_disk import content, live, rows, turned
from vecsim.index.layout import create_index
from vecsim.index.repair import repair
from vecsim.index.writer import Writer
from vecsim.operations.index_settings import store_threshold
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.operations.syncing import SyncOptions, SyncSource, sync
from vecsim.records import Embedded, Failure, Fingerprint, Float32, ImageFacts, ImageRef
from vecsim.sources import SourceOptions, read_source

DIM = 8
FINGERPRINT = Fingerprint("external", "", "", DIM)

Step = Callable[[Writer], None]


def image(number: int, version: int = 1) -> Embedded:
    """Return an image whose vector depends on its number and version."""
    random = np.random.default_rng([number, version])
    vector = unit(random)
    url = f"http://shop.example/{number}?v={version}"
    fields = {"title": f"picture {number}"}
    thumbnail = random.bytes(700) if number % 4 else b""  # not every picture has one
    others = {code: unit(random) for code in (1, 4) if number % 3}  # not every picture has some
    return Embedded(ImageRef(str(number), url, fields), ImageFacts(), vector, thumbnail, others)


def unit(random: np.random.Generator) -> Float32:
    vector = random.standard_normal(DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def failure(number: int) -> Failure:
    ref = ImageRef(str(number), f"http://shop.example/{number}")
    return Failure(ref, "http", "no such picture", 404, last_try="2026-01-01T00:00:00")


def commit(images: list[Embedded], failures: list[Failure] | None = None) -> Step:
    """Commit the images that the index lacks."""

    def step(writer: Writer) -> None:
        found = writer.catalog.images.by_id([each.ref.id for each in images])
        known = {(id_, row.ref.url) for id_, row in found.items()}
        gone = [each.ref.id for each in failures or []]
        settled = {**writer.catalog.failures.urls(gone), **writer.catalog.images.by_id(gone)}
        writer.commit(
            [each for each in images if (each.ref.id, each.ref.url) not in known],
            [each for each in failures or [] if each.ref.id not in settled],
        )

    return step


def remove(numbers: range) -> Step:
    def step(writer: Writer) -> None:
        ids = map(str, numbers)
        known = writer.catalog.images.by_id(ids)
        if known:
            writer.remove(known)

    return step


@dataclass(frozen=True)
class Change:
    """`before` makes the index that `steps` change.

    `damages`: before a repair, which is the change. `operation`: changes it instead of steps.
    """

    before: tuple[Step, ...]
    steps: tuple[Step, ...]
    creates: bool = False
    damages: Callable[[Path], None] | None = None
    operation: Callable[[Path], None] | None = None

    def prepare(self, path: Path) -> None:
        if self.creates:
            return
        create_index(path, FINGERPRINT)
        for step in self.before:
            with Writer(path) as writer:
                step(writer)
        if self.damages is not None:
            self.damages(path)
        if self.operation is sync_list:
            listed(path, range(8), "picture")
            sync_list(path)
            listed(path, range(2, 8), "other")

    def run(self, path: Path, steps: int | None = None) -> None:
        if self.damages is not None:
            if steps != 0:
                repair(path)
            return
        if self.operation is not None:
            if steps != 0:
                self.operation(path)
            return
        if self.creates and not (path / "catalog.db").exists():
            create_index(path, FINGERPRINT)
        with Writer(path) as writer:
            for step in self.steps[:steps]:
                step(writer)


def turn(numbers: range) -> Step:
    """Store images in a further orientation, with another vector where they have it already."""

    def step(writer: Writer) -> None:
        rows_ = writer.catalog.images.by_id([str(number) for number in numbers])
        keys = {int(id_): row.key for id_, row in rows_.items()}
        added = {key: {4: unit(np.random.default_rng([number, 9]))} for number, key in keys.items()}
        writer.add_turned(added)

    return step


def refresh(writer: Writer) -> None:
    """Commit what a refresh finds: a new picture, newer facts, an image that is gone, a failure."""
    known = writer.catalog.images.by_id([str(n) for n in range(4)])
    same = known["1"]
    newer = replace(same, facts=replace(same.facts, etag='"2"'))
    if known["0"].ref.url != image(0, 2).ref.url:
        writer.commit([image(0, 2)], [failure(3)], unchanged=[newer], missing=[known["2"]])


def listed(path: Path, numbers: range, title: str) -> None:
    """Write the list that `sync_list` reads, into the index, with which it is copied."""
    rows_ = (f"{n},{title} {n},http://shop.example/{n}?v=1" for n in numbers)
    list_of(path).write_text("\n".join(["id,title,url", *rows_]) + "\n")


def list_of(path: Path) -> Path:
    return path / "list.csv"


def sync_list(path: Path) -> None:
    """Let the index follow its list: other fields, and two images that are not listed any more."""
    options = RunOptions(ModelChoice("external"))
    sources = [
        SyncSource("list", str(list_of(path)), lambda place, _: read_source(place, SourceOptions()))
    ]
    sync(path, sources, SyncOptions(max_remove=100), options)


def calibrate(path: Path) -> None:
    """Store a threshold, as `calibrate --apply` does."""
    store_threshold(path, 0.75)


def apply(path: Path) -> None:
    """Remove what left its place, as `apply` does once the files are moved."""
    with Writer(path) as writer:
        ids = [id_ for id_ in ("1", "4") if writer.catalog.images.by_id([id_])]
        if ids:
            writer.remove(ids)


def damage(path: Path) -> None:
    """Flip a byte of the first segment, and of a row of the catalog."""
    first = min((path / "segments").iterdir())
    for file, at in ((first, -20), (path / "catalog.db", None)):
        data = bytearray(file.read_bytes())
        data[data.rindex(b"picture 9") if at is None else at] ^= 1
        file.write_bytes(data)


MORE = range(10, 14)
CHANGES = {
    "create": Change((), (commit([image(1)]),), creates=True),
    "add": Change(
        (commit([image(n) for n in range(3)]),),
        (
            commit([image(n) for n in MORE], [failure(90)]),
            commit([image(n, 2) for n in range(2)]),
            commit([image(90)], [failure(91)]),
        ),
    ),
    "merge": Change(
        tuple(commit([image(n)]) for n in range(7)),
        (commit([image(7)]), commit([image(8)])),
    ),
    "remove": Change(
        (commit([image(n) for n in range(8)]), commit([image(n) for n in MORE])),
        (remove(range(5)), remove(range(10, 14))),
    ),
    "compact": Change(
        (
            commit([image(n) for n in range(5)]),
            commit([image(n) for n in MORE]),
            remove(range(2)),
        ),
        (Writer.compact,),
    ),
    "turn": Change((commit([image(n) for n in range(5)]), remove(range(1))), (turn(range(1, 4)),)),
    "refresh": Change((commit([image(n) for n in range(6)]),), (refresh,)),
    "sync": Change((commit([image(n) for n in range(8)]),), (), operation=sync_list),
    "calibrate": Change((commit([image(1)]),), (), operation=calibrate),
    "apply": Change((commit([image(n) for n in range(6)]),), (), operation=apply),
    "repair": Change(
        (*(commit([image(n)]) for n in range(7)), commit([image(n) for n in range(7, 12)])),
        (),
        damages=damage,
    ),
}


def state(path: Path) -> object:
    """Return the content of an index, read without vecsim; None if there is no index."""
    if not (path / "catalog.db").exists():
        return None
    failed = rows(path, "SELECT id, url, kind FROM failures ORDER BY id")
    return sorted(content(path)), failed, thumbnails(path), more(path), turned(path)


def more(path: Path) -> object:
    """What else a change can change: facts, images that are gone, the threshold."""
    names = [row[1] for row in rows(path, "PRAGMA table_info(images)")]
    missing = "missing_since IS NOT NULL" if "missing_since" in names else "0"
    live = "removed_generation IS NULL ORDER BY id"
    return (
        rows(path, f"SELECT id, etag, {missing} FROM images WHERE {live}"),
        rows(path, "SELECT value FROM settings WHERE name = 'threshold'"),
    )


def thumbnails(path: Path) -> dict[str, bytes]:
    """The thumbnails of the images that there are, by their ids."""
    file = path / "thumbnails.db"
    if not file.exists():
        return {}
    with closing(sqlite3.connect(file)) as connection:
        found = dict(connection.execute("SELECT key, webp FROM thumbnails"))
    return {id_: found[key] for key, id_ in live(path) if key in found}


def states(change: Change, folder: Path) -> list[object]:
    """What an index holds before, between and after the steps of a change."""
    found = []
    last = 1 if change.operation is not None else len(change.steps)
    for steps in range(last + 1):
        path = folder / "undisturbed"
        shutil.rmtree(path, ignore_errors=True)
        change.prepare(path)
        if steps == 0 and change.creates:
            found.append(None)
        change.run(path, steps or (None if change.damages else 0))
        found.append(state(path))
    if change.operation is sync_list:
        before, after = found  # the fields are written first, images removed at the end
        kept = {row[0] for row in after[0]}
        gone = [row for row in before[0] if row[0] not in kept]
        facts = [row for row in before[3][0] if row[0] not in kept]
        thumbs = {id_: webp for id_, webp in before[2].items() if id_ not in kept} | after[2]
        found.insert(
            1,
            (
                sorted(after[0] + gone),
                after[1],
                thumbs,
                (sorted(after[3][0] + facts), after[3][1]),
                before[4],
            ),
        )
    return found

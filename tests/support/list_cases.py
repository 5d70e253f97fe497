"""Lists of pictures, each with the images and failures that an index of it has."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.servers import HostileServer
from vecsim.index import Snapshot


@dataclass(frozen=True)
class ListCase:
    """A list that is written to the file `name`, and what `build-index` makes of it.

    `ids`: of the images that are added. `kinds`: of the failures. `message`: a part of what the
    command prints. In `content` and `ids`, {U} is the address of the server, which has /1.jpg to
    /6.jpg, and {P} the folder of the pictures.
    """

    name: str
    content: str
    ids: list[str]
    kinds: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    message: str = ""


def check_images_of_list(
    case: ListCase, vecsim: Callable[..., Any], pictures: Path, server: HostileServer
) -> None:
    """Build an index of the list; compare its images, failures, exit status and message."""
    values = {"U": server.url("").rstrip("/"), "P": str(pictures)}
    braced = "{{" in case.content or "{U}" in case.content
    content = case.content.format(**values) if braced else case.content
    Path(case.name).write_text(content, newline="")

    ran = vecsim("build-index", "new", case.name, *case.options, "--retries", "0")

    with Snapshot(Path("new")) as snapshot:
        added = [row.ref.id for row in snapshot.all_rows()]
        failed = [failure.kind for failure in snapshot.catalog.failures.all()]
    assert added == [one.format(**values) for one in case.ids], ran.err
    assert failed == case.kinds
    assert ran.status == (3 if case.kinds else 0)
    assert case.message in ran.err


def save_as_german_excel(path: Path, encoding: str) -> None:
    """Write a CSV again with semicolons, and a column that is not ASCII, in `encoding`."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow([*header, "Prüfer"])
        writer.writerows([*row, "Jürgen Groß"] for row in rows)

"""Files that are written in parts, so that a call that was interrupted is continued.

While `shop.parquet` is written, the parts are in the folder `shop.parquet.partial`, each complete
or not there. When all are, they are joined to the file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from vecsim.errors import InputError
from vecsim.files import new_file, new_path
from vecsim.stores.rows import Manifest


class Parts:
    """The parts of the file `target`, each a file of its own that holds some rows."""

    def __init__(self, target: Path, suffix: str) -> None:
        self.folder = target.with_name(f"{target.name}.partial")
        self._suffix = suffix
        self._manifest = self.folder / "manifest.json"

    def manifest(self) -> Manifest | None:
        """Return the manifest of parts that were begun, or None."""
        if not self._manifest.is_file():
            return None
        return Manifest.from_json(self._manifest.read_bytes(), str(self.folder))

    def begin(self, manifest: Manifest, *, anew: bool) -> None:
        """Keep the parts that are there if `manifest` continues them, unless `anew`."""
        try:
            earlier = None if anew else self.manifest()
        except InputError:
            earlier = None
        if earlier is None or not manifest.continues(earlier):
            self.remove()
            self.folder.mkdir(parents=True)
        for left in self.folder.glob(".*.part"):  # of a call that was killed
            left.unlink(missing_ok=True)
        with new_file(self._manifest) as file:
            file.write(manifest.to_json().encode())

    def __iter__(self) -> Iterator[Path]:
        """Yield the parts in the order in which they were written."""
        yield from sorted(self.folder.glob(f"part-*{self._suffix}"))

    def count(self) -> int:
        """Return how many rows the parts hold."""
        return sum(self._row_count(path) for path in self)

    def last_key(self) -> int | None:
        """Return the key of the last row, or None."""
        last = [*self][-1:]
        return int(last[0].name.split("-")[3].partition(".")[0]) if last else None

    def add(self, row_count: int, last_key: int, write: Callable[[Path], None]) -> None:
        """Add a part, which `write` writes to the path that it is called with."""
        number = len([*self])
        path = self.folder / self._name(number, row_count, last_key)
        with new_path(path) as temporary:
            write(temporary)

    def remove(self) -> None:
        """Delete the folder with all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _name(self, number: int, row_count: int, last_key: int = 0) -> str:
        return f"part-{number:08}-{row_count}-{last_key}{self._suffix}"

    def _row_count(self, path: Path) -> int:
        return int(path.name.split("-")[2])

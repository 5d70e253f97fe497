"""Pictures that stand in the held-out sets twice: such pairs are no errors of any model.

`same_pictures.csv` lists pairs that were looked at, of two kinds: those of `training/battery.py`
that `bundled-2` scores at least 0.97 and whose grey levels at 48 x 48 have a rank correlation of at
least 0.97; and of the highest false pairs of all models that `quality.py` tests those that, laid
over each other at the best shift and scale, or mirrored, have a correlation of at least 0.9
(clothing 0.99) and differ at edges only: one photograph in two cuts. Two photographs of one scene
or one piece of clothing are not listed.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("same_pictures.csv")
COLUMNS = ("first", "second", "first_sha256", "second_sha256")


@dataclass(frozen=True)
class SamePictures:
    """What `same_pictures.csv` lists: each picture of a set by its path and its file's SHA-256.

    A picture may stand in the sets more than twice: what is listed in several pairs is one picture.
    """

    groups: dict[str, int]

    @classmethod
    def read(cls, file: Path = FILE) -> SamePictures:
        """Read the list."""
        groups: dict[str, int] = {}
        with file.open(newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream)):
                pair = row["first_sha256"], row["second_sha256"]
                joined = {groups[digest] for digest in pair if digest in groups}
                for digest, group in list(groups.items()):
                    if group in joined:
                        groups[digest] = number
                groups.update(dict.fromkeys(pair, number))
        return cls(groups)

    def are_same(self, first: str, second: str) -> bool:
        """Say whether the pictures with these SHA-256 are one; files with one hash are."""
        return first == second or (
            first in self.groups and self.groups[first] == self.groups.get(second)
        )

"""What was noticed while sources were read, for the user."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePath

_MOST_REMARKS, _MOST_SUFFIXES = 20, 1_000
_LONGEST_SUFFIX = 10


@dataclass(slots=True)
class SourceNotes:
    """What was noticed while sources were read, for the user.

    `remarks`: sentences, each once. `passed_over`: files and folders that were not listed, counted
    by reason. `suffixes`: of files without the suffix of a picture, in small letters. `repaired`:
    cells that were read otherwise than they are written, counted by repair. `several`: cells with
    several addresses, of which none was read. `unreadable`: folders that cannot be read, and why.
    """

    remarks: dict[str, None] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    suffixes: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    several: int = 0
    unreadable: list[str] = field(default_factory=list)

    def remark(self, text: str) -> None:
        """Note a sentence, once; of many different ones only the first."""
        if len(self.remarks) < _MOST_REMARKS:
            self.remarks[text] = None

    def note_suffix(self, name: str) -> None:
        """Count the suffix of a file that was passed over; of many different ones, the first."""
        suffix = PurePath(name).suffix.lower()
        if not suffix[1:].isalnum() or len(suffix) > _LONGEST_SUFFIX:
            return  # no usual kind of file has such a suffix
        if suffix in self.suffixes or len(self.suffixes) < _MOST_SUFFIXES:
            self.suffixes[suffix] += 1

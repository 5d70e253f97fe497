"""What is handed over: rows of an index as columns of plain values, each row with a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vecsim.errors import InputError
from vecsim.records import Fingerprint, Float32, ImageFacts, ImageRef, Int64

FACTS = tuple(ImageFacts.__dataclass_fields__)
"""The columns that hold facts about a picture, one for each field of `ImageFacts`."""

NUMBERS = frozenset({"http_status", "byte_count", "width", "height", "entropy"})
"""Those of `FACTS` that are whole numbers; the others are text."""

_BYTES_AT_ONCE = 16 << 20  # of vectors
_MOST_ROWS = 16_384

# Made once: `json.dumps` would make an encoder for each row.
_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a store holds: whose vectors, how many, and the sum of their checksums.

    `threshold`: the one stored in the index, if any. `field_names`: the carried fields.
    `complete`: whether all rows were written and read back.
    """

    fingerprint: Fingerprint
    threshold: float | None = None
    field_names: tuple[str, ...] = ()
    count: int = 0
    checksum: int = 0
    complete: bool = False

    def to_json(self) -> str:
        """Return the manifest as text to keep beside the rows."""
        return json.dumps({"format": 1, **asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes, place: str) -> Manifest:
        """Return the manifest of `place`. Raises `InputError`."""
        try:
            values = json.loads(text)
            if values.pop("format") != 1:
                raise InputError(f"{place}: was written by a later version of vecsim.")
            values["fingerprint"] = Fingerprint(**values["fingerprint"])
            values["field_names"] = tuple(values["field_names"])
            return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{place}: the description of its vectors is damaged.") from error

    def continues(self, earlier: Manifest) -> bool:
        """Return whether rows of this manifest can be added to those of an `earlier` one."""
        same = self.fingerprint == earlier.fingerprint
        return same and self.field_names == earlier.field_names


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows: all parts have one length n.

    `keys`: int64 (n,), ascending throughout a store. `vectors`: float32 (n, dim). `checksums`: as
    `row_checksums` computes them, or as they were read; None where another program wrote the row.
    """

    keys: Sequence[int]
    refs: Sequence[ImageRef]
    facts: Sequence[ImageFacts]
    vectors: Float32
    checksums: Sequence[int | None]

    def __len__(self) -> int:
        return len(self.refs)

    @classmethod
    def of_index(
        cls, keys: Int64, refs: Sequence[ImageRef], facts: Sequence[ImageFacts], vectors: Float32
    ) -> Batch:
        """Return rows of an index, with their checksums."""
        batch = cls(keys.tolist(), refs, facts, vectors, ())
        return cls(batch.keys, refs, facts, vectors, row_checksums(batch))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each row without its vector: key, id, url, checksum, `FACTS`, and `fields`."""
        parts = zip(self.keys, self.refs, self.facts, self.checksums, strict=True)
        for key, ref, facts, checksum in parts:
            row = {"key": key, "id": ref.id, "url": ref.url, "checksum": checksum}
            yield (
                row | {name: getattr(facts, name) for name in FACTS} | {"fields": dict(ref.fields)}
            )


def row_checksums(batch: Batch) -> list[int]:
    """Return 64 bits of BLAKE2b over each row, signed: its id, URL, fields, facts and vector."""
    sums = []
    vectors = np.ascontiguousarray(batch.vectors, "<f4")
    for ref, facts, vector in zip(batch.refs, batch.facts, vectors, strict=True):
        text = _encode([ref.id, ref.url, dict(ref.fields), [getattr(facts, f) for f in FACTS]])
        digest = hashlib.blake2b(text.encode("ascii"), digest_size=8)
        digest.update(vector.data)
        sums.append(int.from_bytes(digest.digest(), "little", signed=True))
    return sums


def total_of(checksums: Iterable[int]) -> int:
    """Return the sum of checksums, in 64 bits: the same for every order of the rows."""
    return sum(checksums) & 0xFFFF_FFFF_FFFF_FFFF


def rows_at_once(dim: int) -> int:
    """Return how many rows of `dim` dimensions are handed over together: at most 16 MiB."""
    return max(256, min(_MOST_ROWS, _BYTES_AT_ONCE // (4 * dim)))


# -- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of columns in a table that another program wrote; the other columns are fields."""

    id: str = "id"
    url: str = "url"
    vector: str = "vector"


def batch_of_rows(
    rows: Sequence[Mapping[str, Any]], vectors: Float32, place: str, columns: Columns | None
) -> Batch:
    """Return rows that were read, `vectors` aside: those of `Batch.rows`, or of another program.

    `columns`: None for rows that vecsim wrote. Raises `InputError` for a row that is neither.
    """
    if columns is not None:
        refs = [_foreign_ref(row, place, columns) for row in rows]
        facts = [ImageFacts()] * len(rows)
        return Batch(list(range(len(rows))), refs, facts, vectors, [None] * len(rows))
    try:
        refs = [ImageRef(row["id"], row["url"], _fields(row.get("fields"))) for row in rows]
        facts = [ImageFacts(**{name: row[name] for name in FACTS}) for row in rows]
        keys, checksums = [row["key"] for row in rows], [row["checksum"] for row in rows]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{place}: a row lacks a column that was handed over: {error}.") from error
    return Batch(keys, refs, facts, vectors, checksums)


def _fields(found: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: value for name, value in (found or {}).items() if value is not None}


def _as_text(value: object) -> str:
    """Return a value of another program as the text of a field: lists and objects as JSON."""
    as_json = isinstance(value, bool | int | float | list | dict)
    return json.dumps(value, default=str) if as_json else str(value)


def _foreign_ref(row: Mapping[str, Any], place: str, columns: Columns) -> ImageRef:
    """Return the reference of a row that another program wrote."""
    if row.get(columns.id) is None:
        raise InputError(f"{place}: a row has nothing in the column {columns.id!r} for its id.")
    carried = {
        name: _as_text(value)
        for name, value in row.items()
        if name not in (columns.id, columns.url, columns.vector) and value is not None
    }
    return ImageRef(str(row[columns.id]), str(row.get(columns.url) or ""), carried)


def check_read(batch: Batch, place: str) -> None:
    """Check the rows of a batch against their checksums; rows without one count as intact.

    Raises `InputError` naming the first that is not as it was written.
    """
    for ref, stored, now in zip(batch.refs, batch.checksums, row_checksums(batch), strict=True):
        if stored is not None and stored != now:
            raise InputError(
                f"{place}: the row of {ref.id!r} is not as it was handed over (by its checksum)."
            )

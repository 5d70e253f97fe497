"""Makes the names of columns unique; imports nothing that reads lists."""

from __future__ import annotations

from collections.abc import Sequence


def unique_names(names: Sequence[str]) -> list[str]:
    """Make column names unique: title, title_2, …

    A carried field may have the name of one of vecsim's own columns; both are kept.
    """
    unique: dict[str, None] = {}
    for name in names:
        candidate, number = name, 1
        while candidate in unique:
            number += 1
            candidate = f"{name}_{number}"
        unique[candidate] = None
    return list(unique)

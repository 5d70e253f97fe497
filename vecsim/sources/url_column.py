"""Which column of a list has the URLs of the pictures: by its cells, then by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vecsim.errors import InputError
from vecsim.hints import Action, Hint
from vecsim.sources.cells import Likeness
from vecsim.sources.list_start import ListStart, find_column

_USUAL_NAMES = ("url", "path")
_PICTURE_NAMES = (
    *("image_link", "image_src", "image_url", "image", "picture_url", "picture", "photo_url"),
    *("photo", "img_url", "img", "src", "images", "base_image", "main_image", "main_image_url"),
    *("featured_image", "product_image", "bild", "bild_url", "bildurl", "image_path"),
    *("file_path", "filepath", "filename", "file", "pic", "image1", "image_1", "photo1"),
)
"""Names of picture columns: of Google Merchant, Shopify, WooCommerce, Magento and usual exports,
the most usual first. Case, spaces, _ and - make no difference."""

_PICTURE_NAME = re.compile(r"image|img|photo|picture|pict?s?\b|bild|foto|imagen")
_LESSER_NAME = re.compile(r"thumb|small|icon|swatch|alt|logo|additional")


def best_url_column(start: ListStart, id_position: int | None) -> int:
    """Return the column of pictures. By its cells first, then by its name, then by its place.

    A column `url`, else `path`, counts as long as its cells may be addresses, unless those of a
    column with the name of pictures say clearly more. Where no cell says anything, the names
    decide, then the place: the last column.
    """
    names = start.names
    others = [n for n in range(len(names)) if n != id_position] or [0]
    by_name = _by_name(names, others) if start.is_named else others[-1]
    shares = {position: start.share(position) for position in others}
    candidates = [
        n for n in others if shares[n] >= 0.5 or (shares[n] and start.is_named and n == by_name)
    ] or [n for n in others if shares[n]]
    if not candidates:
        if start.fetched and any(map(start.cells, others)):
            raise _no_picture_column(start, by_name)
        return by_name
    found = {position: start.likeness(position) for position in candidates}
    if not start.is_named:
        return max(candidates, key=lambda position: (found[position], position))
    best = max(candidates, key=lambda n: (found[n], _name_points(names[n]), -n))
    for position in (find_column(names, name) for name in _USUAL_NAMES):
        if position in candidates and not (
            found[best] > found[position]
            and (_name_points(names[best]) > 2 or found[position] == Likeness.PATH)
        ):
            return position
    others = [n for n in candidates if n != best]
    _remark(start, best, others, are_ids=id_position is None)
    return best


def refuse_requested(start: ListStart, position: int) -> None:
    """Raise `InputError` if a requested column has no addresses, and another one has."""
    if not start.fetched or not start.cells(position) or start.share(position):
        return
    others = [n for n in range(len(start.names)) if start.likeness(n) >= Likeness.ADDRESS]
    if others:
        best = max(others, key=lambda n: (start.likeness(n), _name_points(start.names[n]), -n))
        raise InputError(
            f"{start.location}: the column {start.names[position]} does not look like URLs; "
            f"{start.names[best]} does.",
            hint=Hint(Action.CHOOSE_URL_COLUMN, column=start.names[best]),
        )


def _remark(start: ListStart, chosen: int, others: list[int], *, are_ids: bool) -> None:
    """Note which column was chosen, if there was a choice, and which others have pictures too.

    `are_ids`: whether its URLs serve as ids, because no column is known to have any.
    """
    names = start.names
    if len(names) < 2:
        return
    label = start.location.rpartition(" line ")[0] or start.location
    text = f"{label}: the pictures are in the column {names[chosen]}"
    text += ", whose URLs are the ids" if are_ids else ""
    more = [names[n] for n in others if _name_points(names[n]) > 1]
    if more:
        text += f" (not read: {', '.join(more[:5])})"
    start.notes.remark(f"{text}.")


def _by_name(names: Sequence[str], positions: list[int]) -> int:
    """Return the column that by its name has the URLs, else the last."""
    for name in _USUAL_NAMES:
        position = find_column(names, name)
        if position in positions:
            return position
    best = max(positions, key=lambda n: (_name_points(names[n]), -n))
    return best if _name_points(names[best]) > 1 else positions[-1]


def _name_points(name: str) -> int:
    """Return how much a name says that the column has pictures: 0 nothing, more than 1 much."""
    plain = re.sub(r"[\s_-]+", "_", name.strip().casefold())
    if plain in _USUAL_NAMES:
        return 2
    if plain in _PICTURE_NAMES:
        return 3 + len(_PICTURE_NAMES) - _PICTURE_NAMES.index(plain)
    if not _PICTURE_NAME.search(plain):
        return 0
    return 1 if _LESSER_NAME.search(plain) else 3


def _no_picture_column(start: ListStart, position: int) -> InputError:
    """Return the error for a list in which no column looks like one of pictures."""
    name, cells = start.names[position], start.cells(position)
    example = f" ({cells[0].strip()[:60]})" if cells else ""
    which = f"the column {name} does" if len(start.names) > 1 else "its rows do"
    if cells:
        text = f"{which} not look like URLs or paths of pictures{example}, nor does another"
    else:
        text = "no column looks like URLs or paths of pictures"
    return InputError(
        f"{start.location}: {text}.", hint=Hint(Action.CHOOSE_URL_COLUMN, column="NAME")
    )

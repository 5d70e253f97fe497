"""How a list of images is to be read: the options of a SOURCE."""

from __future__ import annotations

from dataclasses import dataclass

from vecsim.errors import UsageError

_SPELLED_TAB = ("\\t", "tab", "TAB")


@dataclass(frozen=True, slots=True)
class SourceOptions:
    r"""How to read a SOURCE; the defaults find out by themselves.

    `delimiter`: one character; None looks at the first rows. A tab may be written `\t` or `tab`,
    which is easier to type in a shell. `header`: whether the first row names the columns; if not,
    they are called 1, 2, 3 … `id_column`, `url_column`: a name, or a number counted from 1.
    `columns`: the other fields to carry along, None for all. `encoding`: None is UTF-8, with or
    without a byte order mark (one of UTF-16 or UTF-32 is recognised too).
    """

    delimiter: str | None = None
    header: bool = True
    id_column: str | None = None
    url_column: str | None = None
    columns: tuple[str, ...] | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        """Refuse a delimiter that cannot separate anything."""
        if self.delimiter in _SPELLED_TAB:
            object.__setattr__(self, "delimiter", "\t")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise UsageError(
                f"the delimiter must be one character, such as , or ; or \\t, "
                f"not {self.delimiter!r}"
            )

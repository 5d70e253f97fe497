"""`SourceOptions`: how a list or folder is read."""

from __future__ import annotations

from dataclasses import dataclass

from vecsim.errors import UsageError

_SPELLINGS_OF_TAB = ("\\t", "tab", "TAB")
QUOTINGS = ("auto", "csv", "none")


@dataclass(frozen=True, slots=True)
class SourceOptions:
    r"""How to read a source. By default, the form and the columns of a list are detected.

    `delimiter`: one character; None detects it from the first rows. A tab may be written `\t` or
    `tab`, which is easier to type in a shell. `header`: whether the first row may name the columns;
    if it does not, their names are 1, 2, 3 … `id_column`: a name, or a number counted from 1.
    `url_column`: the same, or several of them for several images a row. `columns`: the other fields
    to keep, None for all. `encoding`: None is UTF-8, with or without a byte order mark (one of
    UTF-16 or UTF-32 is recognised too), and cp1252 where a line is not UTF-8. `quoting`: "csv" for
    fields in quotes, "none" for quotes that are plain characters, "auto" to detect that.
    `split_cells`: a cell may hold several addresses, separated by | , ; or as a JSON list.

    Of folders: `exclude`: patterns as in a `.gitignore` file, of what is left out. `all_files`:
    also files without the suffix of a picture whose bytes are one.

    >>> index.add("Pictures", options=vecsim.SourceOptions(exclude=("1.jpg", "2.jpg"))).added
    4
    """

    delimiter: str | None = None
    header: bool = True
    id_column: str | None = None
    url_column: str | tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    encoding: str | None = None
    quoting: str = "auto"
    split_cells: bool = False
    exclude: tuple[str, ...] = ()
    all_files: bool = False

    def __post_init__(self) -> None:
        """Raise `UsageError` for a delimiter that cannot separate anything."""
        if self.delimiter in _SPELLINGS_OF_TAB:
            object.__setattr__(self, "delimiter", "\t")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise UsageError(
                f"the delimiter must be one character, such as , or ; or \\t, "
                f"not {self.delimiter!r}"
            )
        if self.quoting not in QUOTINGS:
            raise UsageError(f"quoting={self.quoting!r}: choose one of {', '.join(QUOTINGS)}.")

    @property
    def url_columns(self) -> tuple[str, ...]:
        """The named columns of URLs; none if they are to be found."""
        if self.url_column is None:
            return ()
        return (self.url_column,) if isinstance(self.url_column, str) else tuple(self.url_column)

    @property
    def identity(self) -> str:
        """Text that two options share if they read a source alike; it lasts across versions."""
        first = ("delimiter", "header", "id_column", "url_column", "columns", "encoding")
        parts = [f"{name}={getattr(self, name)!r}" for name in first]
        for name, usual in (
            ("quoting", "auto"),
            ("split_cells", False),
            ("exclude", ()),
            ("all_files", False),
        ):
            value = getattr(self, name)
            parts += [f"{name}={value!r}"] * (value != usual)
        return f"SourceOptions({', '.join(parts)})"

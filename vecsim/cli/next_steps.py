"""What to do next, in the last line below a table on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vecsim.cli.messages import in_shell, note

if TYPE_CHECKING:
    from vecsim.cli.outputs import OutputOptions


def note_next(text: str, format_: str | None = None, output: Path | None = None) -> None:
    """Write the next step, if the rows of `format_` and `output` are a table on a terminal.

    `text`: one or several lines.
    """
    from vecsim.render.destination import is_terminal

    if is_terminal(output) and format_ in (None, "table"):
        for number, line in enumerate(text.splitlines()):
            note(f"      {line}" if number else f"Next: {line}")


def note_next_of_pairs(count: int, outputs: OutputOptions, *, itself: str | None = None) -> None:
    """Write the next step after a search found `count` pairs.

    `itself`: the index or source that was matched with itself.
    """
    if outputs.report is not None:
        return
    if not count:
        text = "a lower --threshold shows pictures that are less similar."
    elif itself is None or itself == "-":
        text = (
            "--report pairs.html shows the pictures side by side,\n"
            "--output pairs.csv keeps this list."
        )
    else:
        text = (
            f"--report pairs.html shows the pictures side by side,\n"
            f"vecsim cluster {in_shell(itself)} says which ones to keep."
        )
    note_next(text, outputs.format, outputs.file)


def note_next_of_groups(count: int, outputs: OutputOptions, index: Path) -> None:
    """Write the next step after `count` groups of an index."""
    apply = f"vecsim apply {{}} --index {in_shell(index)}"
    if count and outputs.file is not None and str(outputs.file) != "-":
        if sys.stderr.isatty():
            note(f"Next, to check this list and act on it: {apply.format(in_shell(outputs.file))}")
        return
    if outputs.report is not None:
        return
    if count:
        text = (
            f"--report groups.html is a page to review them; a list, as made by\n"
            f"--output groups.csv, is checked and acted on by:\n"
            f"{apply.format('groups.csv')}"
        )
    else:
        text = "a lower --threshold groups pictures that are less similar."
    note_next(text, outputs.format, outputs.file)


def note_next_of_index(index: Path) -> None:
    """Write what an index that was built is for, if a person reads the messages."""
    if sys.stderr.isatty():
        name = in_shell(index)
        note(f"Next: vecsim match {name}, vecsim query {name} photo.jpg, or vecsim serve {name}")

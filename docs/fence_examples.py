"""Fences the examples of docstrings for the API reference: Markdown takes `>>>` for quotations."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

# An example ends at an empty line, as in `doctest`.
_EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class FenceExamples(Extension):
    """Puts each example of a docstring into a fenced block of the language `pycon`."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of an object that was read."""
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)

"""sqlite-utils, without the second that it takes where pandas is installed.

It imports pandas, if it can, only to recognise values of its types; vecsim stores none.
"""

from __future__ import annotations

import sys

_WITHOUT = "pandas"

_hidden = _WITHOUT not in sys.modules
if _hidden:
    sys.modules[_WITHOUT] = None  # type: ignore[assignment]
try:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations
finally:
    if _hidden:
        del sys.modules[_WITHOUT]

__all__ = ["Database", "Migrations"]

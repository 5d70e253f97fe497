"""Imports portalocker, the library of file locks, on systems without a writable disk too.

Its import asks for the folder for temporary files, of which vecsim's locks need none. Where there
is none (a read-only root, as of some containers), that import would fail.
"""

from __future__ import annotations

import os
import tempfile

try:
    import portalocker
except FileNotFoundError:
    tempfile.tempdir = os.curdir
    try:
        import portalocker
    finally:
        tempfile.tempdir = None  # others still learn that there is none

__all__ = ["portalocker"]

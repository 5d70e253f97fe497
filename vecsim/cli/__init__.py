"""The command line: each command parses, calls one operation, renders, and ends with a status."""

from __future__ import annotations

from vecsim.cli.process import main

__all__ = ["main"]

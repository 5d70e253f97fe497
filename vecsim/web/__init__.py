"""The page and the JSON API of one or several indexes: `vecsim serve`.

A face like the command line: it parses, asks, and renders. What it needs beyond vecsim's own
dependencies (FastAPI, uvicorn, Jinja, python-multipart) is the extra `web`.
"""

from __future__ import annotations

from vecsim.web.options import ServeOptions

__all__ = ["ServeOptions"]

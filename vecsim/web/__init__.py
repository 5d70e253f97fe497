"""`vecsim serve`: a web page and a JSON API for one or several indexes.

Needs the extra `web` (FastAPI, uvicorn, Jinja, python-multipart); importing this package does not.
"""

from __future__ import annotations

from vecsim.web.options import ServeOptions

__all__ = ["ServeOptions"]

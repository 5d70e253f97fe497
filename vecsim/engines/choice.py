"""From the name of an engine to the engine."""

from __future__ import annotations

from importlib import import_module

from vecsim.engines.engine import Engine
from vecsim.engines.options import EngineOptions
from vecsim.errors import UsageError

# Imported only when chosen: what they need may not be installed.
_HOMES = {
    "local": ("vecsim.engines.local", "LocalEngine"),
    "ray": ("vecsim.engines.ray", "RayEngine"),
}


def open_engine(options: EngineOptions | None = None) -> Engine:
    """The engine that `options` name; nothing is started yet.

    Raises `MissingExtraError` if what it needs is not installed, `UsageError`.
    """
    options = options or EngineOptions()
    if options.name not in _HOMES:
        raise UsageError(f"engine {options.name!r}: choose one of {', '.join(_HOMES)}.")
    module, name = _HOMES[options.name]
    engine: Engine = getattr(import_module(module), name)(options)
    return engine

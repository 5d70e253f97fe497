"""`sync`: the index follows its sources."""

from vecsim.operations.syncing.requests import (
    Change,
    SyncOptions,
    SyncReport,
    SyncSource,
    name_sources,
)
from vecsim.operations.syncing.run import sync

__all__ = [
    "Change",
    "SyncOptions",
    "SyncReport",
    "SyncSource",
    "name_sources",
    "sync",
]

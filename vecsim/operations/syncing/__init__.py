"""`sync`: the index follows its sources."""

from vecsim.operations.syncing.records import Change, SyncOptions, SyncReport, SyncSource
from vecsim.operations.syncing.run import sync
from vecsim.operations.syncing.sources import name_sources

__all__ = ["Change", "SyncOptions", "SyncReport", "SyncSource", "name_sources", "sync"]

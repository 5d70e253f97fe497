"""Programs that damage and interrupt an index and run it for long; used by tests/storage."""

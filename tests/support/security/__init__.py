"""Programs that attack an index from a stranger; used by tests/security."""

"""One index on disk: exact, growing, whole after any interruption."""

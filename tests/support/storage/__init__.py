"""Programs that damage, interrupt and wear an index; run by tests/storage."""

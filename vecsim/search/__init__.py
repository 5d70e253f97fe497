"""Exact search: arrays in, matches out. Nothing here knows files, models or FAISS."""

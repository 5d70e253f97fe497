"""Exact search: arrays in, pairs out. Knows neither files nor models nor FAISS."""

"""Hypothesis without a deadline: the first example of a test may compile or load something."""

from hypothesis import settings

settings.register_profile("search", deadline=None)
settings.load_profile("search")

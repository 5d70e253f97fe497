"""Tests of the pipeline: its parts, and whole commands that build indexes with it."""

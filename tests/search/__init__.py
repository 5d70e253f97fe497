"""The search against an independent oracle."""

"""`python -m vecsim`."""

from vecsim.cli.process import run

run()

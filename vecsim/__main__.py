"""`python -m vecsim`."""

from vecsim.cli import main

main()

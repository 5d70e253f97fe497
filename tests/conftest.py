"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test data (VECSIM_SHARED, by default beside the repository)."""
    default = Path(__file__).resolve().parents[1].parent / "shared"
    folder = Path(os.environ.get("VECSIM_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set VECSIM_SHARED to the folder")
    return folder

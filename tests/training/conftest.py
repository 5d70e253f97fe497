from pathlib import Path

import pytest

TRAINING = Path(__file__).resolve().parents[2] / "training"


@pytest.fixture(autouse=True)
def training_folder(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the modules of training/, which is no package, importable."""
    if not TRAINING.is_dir():
        pytest.skip("training/ is not part of a distribution")
    monkeypatch.syspath_prepend(TRAINING)
    return TRAINING

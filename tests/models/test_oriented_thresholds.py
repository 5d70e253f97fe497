"""Thresholds of settings of orientations: of the model, unless the index or the user has one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vecsim import Index
from vecsim.index import Snapshot
from vecsim.models import list_models, threshold_of_fingerprint
from vecsim.models.registry import find_spec
from vecsim.operations.index_settings import store_threshold, threshold_of
from vecsim.orientations import SETTINGS


def test_more_orientations_never_have_a_lower_threshold() -> None:
    for model in list_models():
        spec = find_spec(model.name)
        assert {name for name, _ in spec.oriented_thresholds} <= set(SETTINGS)
        thresholds = [spec.threshold_in(setting) for setting in ("none", "turns", "all", "parts")]
        assert thresholds == sorted(thresholds)
        assert spec.threshold_in("mirror") <= spec.threshold_in("all")


def test_models_list_those_that_differ() -> None:
    listed = {model.name: model.oriented_thresholds for model in list_models()}
    assert listed["bundled-3"] == "mirror 0.85, all 0.85, parts 0.865"
    assert listed["phash"] == ""


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_is_given_or_stored_counts_in_every_setting(setting: str, tmp_path: Path) -> None:
    spec = find_spec("bundled-3")
    Index.from_vectors(tmp_path / "i", np.eye(256, dtype=np.float32)[:2], ["a", "b"], "bundled-3")
    with Snapshot(tmp_path / "i") as snapshot:
        assert threshold_of(snapshot, None, setting) == spec.threshold_in(setting)
        assert threshold_of(snapshot, 0.5, setting) == 0.5
        assert threshold_of_fingerprint(snapshot.fingerprint) == spec.threshold
    store_threshold(tmp_path / "i", 0.7)
    with Snapshot(tmp_path / "i") as snapshot:
        assert threshold_of(snapshot, None, setting) == 0.7

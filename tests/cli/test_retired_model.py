"""An index by an earlier bundled model, whose weights are gone: what works, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from support.models import ROOT
from vecsim import Index, match
from vecsim.errors import FingerprintError, ModelError

GOLDEN = ROOT / "tests" / "index" / "golden"
PICTURES = ROOT / "demo" / "images"
ADVICE = "build an index of the same images with the new model: vecsim build-index NEW --from "


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return shutil.copytree(GOLDEN / "bundled-1", tmp_path / "old")


def test_its_own_vectors_are_searched_at_its_own_threshold(vecsim, old: Path) -> None:
    assert "model:     bundled (256 dimensions" in vecsim("info", old).out
    assert "threshold: 0.845 (of its model)" in vecsim("info", old).out
    pairs = [pair[:2] for pair in vecsim("match", old).pairs]
    assert pairs == [("1", "3"), ("1", "2"), ("2", "3"), ("5", "6")]
    assert [pair[1] for pair in vecsim("query", old, "--id", "1").pairs] == ["3", "2"]
    assert vecsim("verify", old).status == 0
    assert vecsim("remove", old, "6").status == 0
    assert len(vecsim("match", old).pairs) == 3


@pytest.mark.parametrize("golden", ["bundled-2", "bundled-2-trimmed"])
def test_the_second_one_is_searched_but_takes_no_pictures(
    vecsim, golden: str, tmp_path: Path
) -> None:
    old = shutil.copytree(GOLDEN / golden, tmp_path / "old")
    assert "threshold: 0.84 (of its model)" in vecsim("info", old).out
    assert next(pair[:2] for pair in vecsim("match", old).pairs) == ("1", "3")
    ran = vecsim("add", old, PICTURES)
    assert ran.status == 1
    assert f"{old}: made with bundled-2 (256 dimensions" in ran.err
    assert ADVICE in ran.err


def test_its_vectors_are_exported(vecsim, old: Path, tmp_path: Path) -> None:
    features, fields = tmp_path / "vectors.npy", tmp_path / "fields.tsv"
    assert vecsim("export", old, "--features", features, "--fields", fields).status == 0
    assert np.load(features).shape == (6, 256)


@pytest.mark.parametrize("command", ["add", "query", "match", "refresh"])
def test_commands_that_need_its_weights_are_refused_with_advice(
    vecsim, old: Path, command: str
) -> None:
    arguments = {
        "add": [old, PICTURES],
        "query": [old, "--url", PICTURES / "1.jpg"],
        "match": [old, PICTURES],
        "refresh": [old],
    }
    ran = vecsim(command, *arguments[command])
    assert ran.status == 1
    assert f"{old}: made with bundled (256 dimensions" in ran.err
    assert "weights are no longer part of vecsim" in ran.err
    assert ADVICE in ran.err
    assert not ran.out
    assert not list(Path("indexes").glob(".sources/*"))


@pytest.mark.parametrize("name", ["bundled", "bundled-3"])
def test_the_new_model_is_not_taken_for_it(vecsim, old: Path, name: str) -> None:
    for command in ("build-index", "match"):
        ran = vecsim(command, old, PICTURES, "--model", name)
        assert ran.status != 0
        assert "made with bundled (256 dimensions" in ran.err
        assert "bundled-3 was asked for" in ran.err


def test_a_variable_that_names_the_model_changes_nothing(
    vecsim, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECSIM_MODEL", "bundled")
    assert len(vecsim("match", old).pairs) == 4


def test_a_hidden_index_of_the_old_model_is_not_reused(vecsim, old: Path) -> None:
    first = vecsim("match", PICTURES, "--model", "bundled")
    assert first.status == 0
    (hidden,) = Path("indexes/.sources").glob("*-bundled-3-*")
    assert vecsim("match", PICTURES, "--model", "bundled-3").pairs == first.pairs
    assert list(Path("indexes/.sources").iterdir()) == [hidden]


def test_two_indexes_of_old_and_new_are_not_matched(old: Path, tmp_path: Path) -> None:
    with Index.create(tmp_path / "new", "bundled") as new:
        new.add(PICTURES)
    with pytest.raises(FingerprintError):
        match(old, tmp_path / "new").to_numpy()
    with Index.open(old) as index, pytest.raises(ModelError, match="no longer part of vecsim"):
        index.add(PICTURES)

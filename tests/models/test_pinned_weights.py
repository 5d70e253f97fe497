"""Weights that Keras downloaded are the same file at every use, and none come from /tmp."""

from __future__ import annotations

from pathlib import Path

import pytest

from vecsim.errors import ModelError
from vecsim.models import keras_weights
from vecsim.models.keras_weights import PINNED_SHA256, check_pinned, file_sha256, keras_home


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of vecsim."""
    monkeypatch.setenv("VECSIM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_hash_of_a_known_file_is_that_of_the_file(shared: Path) -> None:
    for name, expected in PINNED_SHA256.items():
        assert file_sha256(shared / "weights" / name) == expected


def test_another_file_under_a_known_name_is_refused(cache: Path) -> None:
    name, expected = next(iter(PINNED_SHA256.items()))
    check_pinned(Path("models", name), expected)
    with pytest.raises(ModelError, match=r"not the file that it should be.*Delete it"):
        check_pinned(Path("models", name), "0" * 64)
    assert not cache.exists()


def test_other_files_are_pinned_at_their_first_use() -> None:
    path = Path("models", "mobilenet_1_0_224_tf_no_top.h5")
    check_pinned(path, "a" * 64)
    check_pinned(path, "a" * 64)
    with pytest.raises(ModelError, match="not the file that it should be"):
        check_pinned(path, "b" * 64)


def test_a_cache_that_cannot_be_written_pins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VECSIM_CACHE", str(tmp_path / "file"))
    check_pinned(Path("x.h5"), "a" * 64)


def test_users_without_a_home_use_no_weights_from_tmp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """Any user can put a file into /tmp/.keras, where Keras itself would look."""
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert keras_home() == cache / "keras"
    assert keras_weights.cache_file(1.0, 224).is_relative_to(cache)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert keras_home() == tmp_path / ".keras"

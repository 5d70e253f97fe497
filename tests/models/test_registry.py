"""Names of models, their aliases, errors for unknown names, and the list of all models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vecsim.errors import ModelError, UsageError
from vecsim.models import (
    default_threshold,
    list_models,
    load_embedder,
    resolve_model,
    threshold_of_fingerprint,
)
from vecsim.models.families.bundled import FIRST, RETIRED
from vecsim.models.registry import find_spec


@pytest.mark.parametrize(
    ("name", "dim"),
    [
        ("mobilenet", 1024),
        ("mobilenet-0.25-128", 256),
        ("mobilenet-0.5-160", 512),
        ("mobilenet-0.75-224-smooth", 768),
        ("mobilenet-1.0-192", 1024),
        ("bundled", 256),
        ("phash", 64),
        ("pdq", 256),
    ],
)
def test_dim_follows_from_the_name(name: str, dim: int) -> None:
    assert find_spec(name).dim == dim


def test_the_full_name_of_mobilenet_is_an_alias() -> None:
    assert resolve_model("mobilenet-1.0-224") == ("mobilenet", None)
    assert resolve_model("mobilenet-1.0-224-smooth") == ("mobilenet-smooth", None)


def test_bundled_means_the_newest_bundled_model() -> None:
    assert resolve_model("bundled") == ("bundled-3", None)
    assert "bundled" not in {model.name for model in list_models()}


def test_thresholds_go_by_fingerprint() -> None:
    newest = find_spec("bundled").fingerprint("new")
    assert threshold_of_fingerprint(newest) == 0.84
    assert threshold_of_fingerprint(FIRST) == 0.845
    for second in [each for each in RETIRED if each.model == "bundled-2"]:
        assert threshold_of_fingerprint(second) == 0.84
        assert threshold_of_fingerprint(second, "mirror") == 0.846
    others = [
        replace(FIRST, weights_sha256="another"),
        replace(newest, preprocessing="smooth-160-v1"),
        replace(newest, dim=128),
        replace(newest, model="resnet"),
    ]
    for other in others:
        with pytest.raises(ModelError):
            threshold_of_fingerprint(other)


def test_a_name_resolves_to_itself() -> None:
    assert resolve_model("phash") == ("phash", None)


def test_usual_thresholds_of_models() -> None:
    assert default_threshold("mobilenet-0.5-128-smooth") == 0.845
    assert default_threshold("phash") == 1 - 2 * 10 / 64


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("mobilnet", "mobilenet"), ("mobilenet-0.75-225", "mobilenet-0.75-224"), ("PHASH", "phash")],
)
def test_an_unknown_name_is_refused_with_the_nearest_name(wrong: str, meant: str) -> None:
    with pytest.raises(ModelError, match=f"unknown model '{wrong}'. Did you mean '{meant}'"):
        load_embedder(wrong)


def test_an_unknown_name_is_refused_with_all_known_names() -> None:
    with pytest.raises(ModelError, match=r"mobilenet-ALPHA-SIZE.*0\.25.*224.*phash") as error:
        resolve_model("resnet50")
    assert "Did you mean" not in str(error.value)


def test_the_list_of_models_has_all_variants_and_their_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "models" / "mobilenet_5_0_160_tf_no_top.h5"
    file.parent.mkdir()
    file.touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    models = {model.name: model for model in list_models()}
    assert len(models) == 2 * 16 + 3
    assert models["mobilenet-0.5-160"].weights == str(file)
    assert models["mobilenet-0.5-160-smooth"].weights == str(file)
    assert models["mobilenet"].weights == "download"
    assert models["phash"].weights == models["bundled-3"].weights == "built in"
    assert (models["mobilenet"].size, models["mobilenet"].dim) == (224, 1024)


def test_unknown_devices_and_thread_counts_are_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown device 'tpu'; known are auto, cpu, gpu$"):
        load_embedder("phash", device="tpu")
    with pytest.raises(UsageError, match="threads must be at least 1"):
        load_embedder("phash", threads=0)

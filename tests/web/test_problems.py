"""Errors of vecsim as problem objects, and the options of the server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vecsim.errors import (
    FailureKind,
    ImageError,
    IndexDamagedError,
    IndexLockedError,
    ModelError,
    UnknownIdError,
    UsageError,
    VecsimError,
)
from vecsim.hints import Action, Hint
from vecsim.web import ServeOptions
from vecsim.web.problems import problem_from_error
from vecsim.web.server import index_names

PATH = Path("/srv/indexes/shop")


def test_the_path_of_the_index_is_replaced_by_its_name() -> None:
    problem = problem_from_error(UnknownIdError(f"{PATH}: no image has the id 'x'."), PATH, "shop")
    assert (problem.status, problem.kind) == (404, "unknown-id")
    assert problem.detail == "shop: no image has the id 'x'."


def test_advice_is_the_wording_for_clients() -> None:
    error = IndexDamagedError(f"{PATH}: damaged.", hint=Hint(Action.REPAIR_INDEX, path=PATH))
    problem = problem_from_error(error, PATH, "shop")
    assert problem.detail == "shop: damaged."
    assert problem.advice == "Ask the operator of this server to repair the index."
    assert (problem.status, problem.headers) == (503, {"Retry-After": "2"})


def test_an_error_without_hint_gets_the_advice_of_its_class() -> None:
    problem = problem_from_error(IndexLockedError("shop: process 7 is writing."), PATH, "shop")
    assert (problem.status, problem.kind) == (409, "locked")
    assert problem.advice == "Try again when it is done."


def test_advice_for_the_operator_is_replaced_by_the_advice_of_the_class() -> None:
    error = ModelError("shop: no weights.", hint=Hint(Action.PASS_WEIGHTS))
    assert problem_from_error(error, PATH, "shop").advice == "Search this index by id."


def test_an_unknown_error_is_a_server_error() -> None:
    problem = problem_from_error(VecsimError("shop: failed."), PATH, "shop")
    assert (problem.status, problem.kind) == (500, "failed")


@pytest.mark.parametrize("kind", FailureKind)
def test_a_picture_that_cannot_be_loaded_has_the_kind_of_its_failure(kind: FailureKind) -> None:
    problem = problem_from_error(ImageError(kind, "a.jpg: failed", http_status=404), PATH, "shop")
    body = json.loads(bytes(problem.response("/api/v1/x").body))
    assert (body["status"], body["kind"], body["http_status"]) == (422, kind.value, 404)
    assert body["advice"] and body["title"] and body["instance"] == "/api/v1/x"


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        (ServeOptions(), {"localhost", "127.0.0.1", "::1"}),
        (ServeOptions(hosts=("Shop.example",)), {"localhost", "127.0.0.1", "::1", "shop.example"}),
        (ServeOptions(host="10.0.0.5", token="x" * 16), None),
        (ServeOptions(host="10.0.0.5", hosts=("shop.example",)), {"10.0.0.5", "shop.example"}),
    ],
)
def test_accepted_host_names(options: ServeOptions, accepted: set[str] | None) -> None:
    assert options.accepted_hosts == accepted


def test_two_indexes_of_one_name_are_refused(tmp_path: Path) -> None:
    assert index_names([tmp_path / "a", tmp_path / "b"]) == {
        "a": tmp_path / "a",
        "b": tmp_path / "b",
    }
    with pytest.raises(UsageError, match="both are called 'a'"):
        index_names([tmp_path / "a", tmp_path / "x" / "a"])

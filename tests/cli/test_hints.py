"""Each kind of advice has a wording in each face, with the values that the others use."""

from __future__ import annotations

import string
from collections.abc import Mapping

import pytest

from vecsim.cli import messages
from vecsim.errors import IndexDamagedError
from vecsim.hints import LIBRARY_WORDINGS, Action, Hint
from vecsim.web import problems


@pytest.mark.parametrize(
    "wordings",
    [LIBRARY_WORDINGS, messages.WORDINGS, problems.WORDINGS],
    ids=["library", "cli", "web"],
)
def test_every_action_has_a_wording(wordings: Mapping[Action, str]) -> None:
    assert set(wordings) == set(Action)
    for wording in wordings.values():
        list(string.Formatter().parse(wording))


def test_str_of_an_error_is_its_message_and_the_library_wording_of_its_hint() -> None:
    error = IndexDamagedError("x.db: damaged.", hint=Hint(Action.REPAIR_INDEX, path="idx"))
    assert str(error) == "x.db: damaged. Save what is sound with Index.repair()."
    assert error.message == "x.db: damaged."


def test_the_command_line_names_the_command_and_the_path() -> None:
    hint = Hint(Action.REPAIR_INDEX, path="idx")
    assert hint.phrase(messages.WORDINGS) == "Save what is sound with: vecsim repair idx"


def test_the_server_names_no_option_and_no_path() -> None:
    for wording in problems.WORDINGS.values():
        assert "--" not in wording and "{" not in wording.replace("{{", "")

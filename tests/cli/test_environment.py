"""Environment variables: they act like their options, and the page lists all of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import vecsim as package
from vecsim.cli.environment import (
    FOREIGN_VARIABLES,
    THROUGH_LIBRARIES,
    VARIABLES,
    known_variables,
    options_with_variables,
)
from vecsim.cli.group import cli

from .test_help import DOCS, _generator

SOURCES = sorted(Path(package.__file__).parent.rglob("*.py"))


def _variables_in(source: Path) -> set[str]:
    """Names of variables in a module: all that begin with VECSIM_, and keys of os.environ."""
    text = source.read_text(encoding="utf-8")
    found = set(re.findall(r"\bVECSIM_[A-Z_]+[A-Z]\b", text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            key: ast.expr | None = node.slice
        elif isinstance(node, ast.Call) and "os.environ" in ast.unparse(node.func):
            key = node.args[0] if node.args else None
        elif isinstance(node, ast.Dict) and "os.environ" in map(ast.unparse, node.values):
            found |= {k.value for k in node.keys if isinstance(k, ast.Constant)}
            continue
        else:
            continue
        if isinstance(key, ast.Constant):
            found.add(key.value)
    return found


@pytest.mark.ci
def test_every_variable_in_the_code_is_listed() -> None:
    found = set().union(*map(_variables_in, SOURCES))
    examples = {"VECSIM_MATCH_BEST_ONLY", "VECSIM_COMPLETE"}
    options = {str(option.envvar) for _, option in options_with_variables(cli)}

    assert {"VECSIM_MODEL", "KERAS_HOME", "KERAS_BACKEND", "PYTHONPATH"} <= found
    assert found - examples - options - VARIABLES.keys() - FOREIGN_VARIABLES.keys() == set()


def test_every_listed_variable_is_in_the_code() -> None:
    code = [source for source in SOURCES if source.name != "environment.py"]
    found = set().union(*map(_variables_in, code))

    assert VARIABLES.keys() | FOREIGN_VARIABLES.keys() == {
        # Read by TensorFlow or the tests, not by vecsim.
        *(found & (VARIABLES.keys() | FOREIGN_VARIABLES.keys())),
        "VECSIM_SHARED",
    }


def test_the_page_is_up_to_date() -> None:
    written = (DOCS / "environment.md").read_text(encoding="utf-8")

    assert written == _generator().environment_page(), "run: python docs/make_commands.py"
    names = (
        VARIABLES.keys() | FOREIGN_VARIABLES.keys() | set(", ".join(THROUGH_LIBRARIES).split(", "))
    )
    for name in names | known_variables(cli):
        assert f"`{name}`" in written


def test_no_two_options_of_a_command_share_a_variable() -> None:
    pairs = [(name, option.envvar) for name, option in options_with_variables(cli)]

    assert len(pairs) == len(set(pairs)) > 100


def test_a_variable_acts_like_its_option(vecsim, index: Path, monkeypatch) -> None:
    by_option = vecsim("match", index, "--threshold", "0.9", "--format", "jsonl")
    monkeypatch.setenv("VECSIM_MATCH_THRESHOLD", "0.9")
    monkeypatch.setenv("VECSIM_MATCH_FORMAT", "jsonl")
    by_variable = vecsim("match", index)

    assert by_option.status == 0
    assert by_option.out.count("\n") < vecsim("match", index, "-t", "0.5").out.count("\n")
    assert (by_variable.out, by_variable.err) == (by_option.out, by_option.err)


def test_an_invalid_variable_is_a_usage_error_that_names_it(vecsim, monkeypatch) -> None:
    monkeypatch.setenv("VECSIM_ADD_WORKERS", "many")

    ran = vecsim("add", "six", "list.csv")

    assert ran.status == 2
    assert "'--workers'" in ran.err and "VECSIM_ADD_WORKERS" in ran.err


def test_vecsim_quiet_acts_like_the_option_quiet(vecsim, first: Path, monkeypatch) -> None:
    monkeypatch.setenv("VECSIM_QUIET", "1")

    assert vecsim("match", first).err == ""

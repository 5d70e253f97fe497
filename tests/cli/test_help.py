"""Each command and option has help, which docs/commands.md repeats."""

from __future__ import annotations

import importlib.util
import inspect
import shlex
from pathlib import Path
from types import ModuleType

import click
import pytest

from vecsim.cli.group import cli

DOCS = Path(__file__).resolve().parents[2] / "docs"
CONTEXT = click.Context(cli, info_name="vecsim", **cli.context_settings)
NAMES = cli.list_commands(CONTEXT)


def _command(name: str) -> click.Command:
    command = cli.get_command(CONTEXT, name)
    assert command is not None
    return command


def _examples(name: str) -> list[str]:
    """The lines below "Examples:" in a command's help."""
    text = inspect.cleandoc(_command(name).help or "")
    _, _, below = text.partition("\b\nExample")
    return [line.strip() for line in below.splitlines()[1:]]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_commands", DOCS / "make_commands.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_commands_exist() -> None:
    assert set(NAMES) >= {
        *("build-index", "add", "query", "match", "remove", "info", "failures", "retry"),
        *("verify", "compact", "list-images", "models", "demo"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_examples_that_parse(name: str) -> None:
    examples = _examples(name)

    assert examples
    for example in examples:
        words = shlex.split(example.rpartition("|")[2])
        assert words[:2] == ["vecsim", name]
        _command(name).make_context(name, words[2:], parent=CONTEXT)


@pytest.mark.parametrize("name", NAMES)
def test_each_option_has_help(name: str) -> None:
    options = [p for p in _command(name).params if isinstance(p, click.Option)]

    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", NAMES)
def test_help_is_shown_for_each_command(name: str, vecsim) -> None:
    ran = vecsim(name, "-h")

    assert ran.status == 0
    assert f"Usage: vecsim {name}" in ran.out
    assert _examples(name)[0] in ran.out


def test_the_list_of_commands_has_whole_sentences_at_80_columns(vecsim, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    ran = vecsim("--help")

    assert all(f"\n  {name} " in ran.out for name in NAMES)
    assert "..." not in ran.out.partition("Commands:")[2]


def test_the_page_of_commands_is_up_to_date() -> None:
    written = (DOCS / "commands.md").read_text(encoding="utf-8")

    assert written == _generator().page(), "run: python docs/make_commands.py"


def test_the_page_has_every_command_and_option() -> None:
    sections = (DOCS / "commands.md").read_text(encoding="utf-8").split("\n## vecsim ")[1:]
    by_name = {section.splitlines()[0]: section for section in sections}

    assert list(by_name) == NAMES
    for name in NAMES:
        for parameter in _command(name).params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert f"`{parameter.opts[-1]}`" in by_name[name]
        for example in _examples(name):
            assert example in by_name[name]


def test_misspelt_commands_options_and_models_get_a_suggestion(vecsim, first) -> None:
    command = vecsim("qeury", "six")
    option = vecsim("query", "six", "--treshold", "0.9")
    model = vecsim("build-index", "new", first, "--model", "mobilenett")

    assert (command.status, option.status, model.status) == (2, 2, 1)
    assert "no such command: qeury. Did you mean query?" in command.err
    assert "Did you mean" in option.err and "'--threshold'" in option.err
    assert "unknown model 'mobilenett'. Did you mean 'mobilenet'?" in model.err


def test_version_lists_the_versions_for_a_bug_report(vecsim) -> None:
    import platform
    from importlib.metadata import version

    lines = vecsim("--version").out.splitlines()

    assert lines[0] == f"vecsim {version('vecsim')}"
    assert lines[1] == f"Python {platform.python_version()} on {platform.platform()}"
    names = ("ai-edge-litert", "faiss-cpu", "numkong", "numpy", "pillow", "tensorflow")
    assert lines[2:] == [f"{name} {version(name)}" for name in names]

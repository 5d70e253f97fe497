"""Options are listed under headings in `--help`."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from vecsim.cli.group import cli
from vecsim.cli.parameters import by_heading, command, options_under

SEARCH = options_under("Search options")


@command()
@SEARCH("--threshold", type=float, help="Minimum score.")
@click.option("--own", is_flag=True, help="An option without a heading.")
@SEARCH("--top-k", type=int, help="Number of matches.")
def example(threshold: float | None, own: bool, top_k: int | None) -> None:
    """Do nothing."""


@command()
@SEARCH("--threshold", type=float, help="Minimum score.")
def only_headed(threshold: float | None) -> None:
    """Do nothing."""


def _headings(shown: str) -> list[str]:
    return re.findall(r"^(\w+ ?options|Options):$", shown, re.MULTILINE)


def test_options_are_grouped_by_heading_with_the_own_ones_first() -> None:
    groups = by_heading(example.params)

    assert {heading: [o.name for o in options] for heading, options in groups.items()} == {
        "Options": ["own"],
        "Search options": ["threshold", "top_k"],
    }


def test_help_has_a_section_for_each_heading() -> None:
    shown = CliRunner().invoke(example, ["--help"]).output

    assert _headings(shown) == ["Options", "Search options"]
    assert shown.index("--own") < shown.index("--help") < shown.index("--threshold")


def test_help_comes_last_where_all_options_have_headings() -> None:
    shown = CliRunner().invoke(only_headed, ["--help"]).output

    assert _headings(shown) == ["Search options", "Other options"]
    assert shown.rstrip().splitlines()[-1].split()[0] == "--help"


@pytest.mark.parametrize("name", ["match", "query", "build-index", "serve"])
def test_every_option_is_shown_once(name: str, vecsim) -> None:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None

    shown = vecsim(name, "--help").out

    for option in found.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert len(re.findall(rf"^  .*{option.opts[-1]}[ /,\n]", shown, re.MULTILINE)) >= 1


def test_match_has_all_headings(vecsim) -> None:
    assert _headings(vecsim("match", "--help").out) == [
        *("Search options", "Output options", "Source options", "Model options"),
        *("Download options", "Decoding options", "Cluster options", "Other options"),
    ]

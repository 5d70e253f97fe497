"""Options of every command: quiet, the log and its lines, the summary, exit statuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.commands import run_here
from vecsim.cli.exit_status import MEANINGS, ExitStatus
from vecsim.cli.group import _COMMANDS
from vecsim.index.writer import Writer
from vecsim.operations.applying.journal import Journal

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logs") / "six"
    run_here("build-index", path, PICTURES, "--model", "phash", "--quiet")
    return path


def summary(file: Path) -> dict[str, object]:
    return dict(json.loads(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_takes_the_options_after_its_name(command: str, tmp_path: Path) -> None:
    options = ["-q", "--debug", "--log-level", "info", "--summary", str(tmp_path / "s.json")]
    options += ["--log-file", str(tmp_path / "log"), "--log-format", "json"]
    assert "--no-such-option" in run_here(command, *options, "--no-such-option", status=2)
    assert "Every command also takes --quiet" in run_here(command, *options, "--help")


def test_with_quiet_nothing_is_written_if_all_is_well(index: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs.csv"
    assert run_here("match", index, "--quiet", "--output", out) == ""
    assert run_here("--quiet", "verify", index) == ""
    assert "pairs" in run_here("match", index, "--output", out)


def test_all_lines_of_a_log_have_the_run(index: Path, tmp_path: Path, monkeypatch) -> None:
    log, out = tmp_path / "log", tmp_path / "pairs.csv"
    monkeypatch.setenv("VECSIM_RUN_ID", "night-7")
    said = run_here("match", index, "--output", out, "--log-file", log, "--log-format", "json")
    assert "pairs among" in said  # messages stay as they are
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["run"] for line in lines} == {"night-7"}
    assert lines[0]["command"] == "match" and lines[-1]["status"] == 0
    assert any("pairs among" in line["message"] for line in lines)

    monkeypatch.delenv("VECSIM_RUN_ID")
    said = run_here("match", index, "--output", out, "--log-format", "text")
    ids = set()
    for line in said.splitlines():
        found = re.fullmatch(r"\S+Z [A-Z]+ run=(\w{12}) vecsim\S*: .*", line)
        assert found, line
        ids.add(found[1])
    assert len(ids) == 1
    assert "Error" in run_here("info", tmp_path / "no", "--log-file", log, status=1)
    assert "ERROR run=" in log.read_text()


def test_an_impossible_run_id_or_log_is_an_error(index: Path, tmp_path: Path, monkeypatch) -> None:
    assert "cannot be written" in run_here("info", index, "--log-file", "/no/log", status=1)
    assert "cannot be written" in run_here("info", index, "--summary", "/no/s.json", status=1)
    monkeypatch.setenv("VECSIM_RUN_ID", "a b\n")
    assert "VECSIM_RUN_ID" in run_here("info", index, status=2)


def test_a_summary_says_what_failed(tmp_path: Path) -> None:
    source, file = tmp_path / "list.csv", tmp_path / "summary.json"
    source.write_text(f"id,url\n1,{PICTURES / '1.jpg'}\n2,/nowhere/2.jpg\n")
    path = tmp_path / "new"
    run_here("build-index", path, source, "--model", "phash", "--summary", file, status=3)
    found = summary(file)
    assert (found["status"], found["result"], found["error"]) == (3, "some-failed", None)
    (facts,) = found["facts"]["runs"]  # type: ignore[index]
    assert (facts["added"], facts["failed"]) == (1, 1)
    assert facts["failures_by_kind"] == {"no-file": 1}
    assert found["ended"] and found["messages"]

    run_here("match", tmp_path / "nothing", "--summary", file, status=1)
    found = summary(file)
    assert (found["status"], found["result"]) == (1, "failed")
    assert "nothing" in found["error"]["message"]  # type: ignore[index]
    run_here("match", path, "--output", tmp_path / "p.csv", "--summary", file)
    assert summary(file)["facts"]["results"][0]["pairs"] == 0  # type: ignore[index]


def test_a_locked_index_has_a_status_of_its_own(index: Path, tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    with Writer(index):
        said = run_here("compact", index, "--summary", file, status=ExitStatus.LOCKED)
    assert "is writing to this index" in said
    assert summary(file)["result"] == "locked"


def test_a_journal_in_use_has_the_same_status(tmp_path: Path) -> None:
    with Journal(tmp_path / "groups.journal", create=True):
        said = run_here("undo", tmp_path / "groups.journal", status=ExitStatus.LOCKED)
    assert "another process is using this journal" in said


def test_the_page_of_commands_has_every_status() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(rows) == {str(status.value): MEANINGS[status] for status in ExitStatus}

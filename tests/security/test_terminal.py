"""No text of a stranger controls the terminal: every command writes to one, fed with such texts."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import sys
import termios
from pathlib import Path

import numpy as np
import pytest

from support.web_server import PICTURES
from vecsim.cli.group import _COMMANDS
from vecsim.cli.process import main
from vecsim.render.terminal import CleanTerminal, clean_cell, clean_text

EVIL = "\x1b]0;PWNED\x07\x1b[2J\x9b31m\rFAKE\u202egnp.exe\u2066\u200f\x08"
"""Renames the window, clears the screen, returns to the start of the line, reverses the order."""

_OWN = re.compile(r"\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\x1b\[[0-9;]*m|\r")
"""What the line of progress sends."""

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def on_terminal(*arguments: str | Path, seconds: float = 60) -> str:
    """Run a command in a fork of this process whose output is a terminal; return what it wrote."""
    leader, follower = pty.openpty()
    modes = termios.tcgetattr(follower)
    modes[1] &= ~termios.OPOST  # a line feed stays one
    termios.tcsetattr(follower, termios.TCSANOW, modes)
    child = os.fork()
    if not child:
        try:
            os.setsid()
            signal.alarm(int(seconds))
            for number in (0, 1, 2):
                os.dup2(follower, number)
            for number, name in ((1, "stdout"), (2, "stderr")):
                setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
            os.environ.update(COLUMNS="300", TERM="xterm", VECSIM_MODEL="phash")
            main([str(each) for each in arguments])
        except SystemExit:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(0)
    os.close(follower)
    written = b""
    with contextlib.suppress(OSError):  # the other side is closed
        while part := os.read(leader, 65_536):
            written += part
    os.waitpid(child, 0)
    os.close(leader)
    return written.decode("utf-8", "surrogateescape")


def write_list(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of lists, pictures and indexes, all of whose texts are hostile."""
    folder = tmp_path_factory.mktemp("evil")
    pictures = folder / f"pics{EVIL}"
    pictures.mkdir()
    for number in (1, 2, 3):
        shutil.copy(PICTURES / f"{number}.jpg", pictures / f"{EVIL}{number}.jpg")
    shutil.copy(PICTURES / "1.jpg", pictures / f"copy{EVIL}.jpg")
    (pictures / f"text{EVIL}.jpg").write_text(f"no picture {EVIL}")
    rows = [["id", "url", f"title{EVIL}"]]
    rows += [[f"{n}{EVIL}", str(PICTURES / f"{n}.jpg"), f"v{EVIL}"] for n in (1, 2, 3)]
    rows += [[f"again{EVIL}", str(PICTURES / "1.jpg"), EVIL]]
    write_list(folder / "good.csv", rows)
    bad = [["id", "url"], ["a", f"http://{EVIL}evil.invalid:1/x.jpg"], ["b", f"/nowhere/{EVIL}"]]
    bad += [["c", f"http://127.0.0.1:1/{EVIL}"], ["d", f"ftp://x/{EVIL}"], ["e", f"data:{EVIL}"]]
    write_list(folder / "bad.csv", bad)
    write_list(folder / "headless.csv", [[f"a{EVIL}", f"b{EVIL}"], ["1", "2"]])
    write_list(folder / "twice.csv", [["id", "url"], [f"1{EVIL}", "/a"], [f"1{EVIL}", f"/b{EVIL}"]])
    write_list(folder / "odd.csv", [["id", "url"], [f"1{EVIL}", "/a", f"more{EVIL}"]])
    (folder / "lines.jsonl").write_text(f'{{"id": "1", "url": {EVIL}\n')
    (folder / "quote.csv").write_text(f'id,url\n1,"{EVIL}"x\n')
    index = folder / f"index{EVIL}"
    for arguments in (
        ("build-index", index, folder / "good.csv"),
        ("build-index", folder / "ids", folder / "good.csv", "--id-column", "url"),
        ("add", index, folder / "bad.csv"),
        ("cluster", index, "-o", folder / "groups.csv"),
        ("cluster", folder / "ids", "-o", folder / "ids.csv"),
    ):
        said = on_terminal(*arguments)
    assert index.exists(), said
    _spoil(index, folder / "spoilt")
    write_list(
        folder / "verdicts.csv",
        [["query_id", "reference_id", "mark"], [f"1{EVIL}", f"none{EVIL}", "same"]],
    )
    np.save(folder / "v.npy", np.eye(3, 8, dtype=np.float32))
    write_list(
        folder / "v.csv", [["id", "url", f"t{EVIL}"], *([f"{n}{EVIL}", EVIL, EVIL] for n in "123")]
    )
    return folder


def _spoil(index: Path, spoilt: Path) -> None:
    """Copy an index and change texts of its catalog that a command shows."""
    shutil.copytree(index, spoilt)
    catalog = sqlite3.connect(spoilt / "catalog.db")
    found = catalog.execute("SELECT value FROM settings WHERE name = 'fingerprint'").fetchone()[0]
    fingerprint = json.loads(found)
    fingerprint["model"] = f"phash{EVIL}"
    set_value = "UPDATE settings SET value = ?, checksum = NULL WHERE name = 'fingerprint'"
    catalog.execute(set_value, [json.dumps(fingerprint)])
    catalog.execute("UPDATE images SET warnings = ?, checksum = NULL", [f"warned {EVIL}"])
    catalog.commit()
    catalog.close()


def commands(folder: Path) -> list[tuple[str | Path, ...]]:
    """Commands that show texts of lists, files, hosts and indexes."""
    index, good, bad = folder / f"index{EVIL}", folder / "good.csv", folder / "bad.csv"
    spoilt, pictures, new = folder / "spoilt", folder / f"pics{EVIL}", folder / "new"
    groups, ids, verdicts = (folder / f"{name}.csv" for name in ("groups", "ids", "verdicts"))
    vectors, fields = folder / "v.npy", folder / "v.csv"
    return [
        ("match", good, pictures), ("match", index, index), ("match", index, index, "-f", "csv"),
        ("match", index, index, "-f", "jsonl"), ("match", index, index, "--matrix"),
        ("match", index, folder / f"none{EVIL}"), ("match", spoilt, index),
        ("query", index, "--id", f"1{EVIL}"), ("query", index, "--id", f"x{EVIL}"),
        ("query", index, "--url", f"/nowhere/{EVIL}.jpg"), ("query", index, "--csv", bad),
        ("query", index, "--url", f"http://{EVIL}.invalid/"), ("query", spoilt, "--csv", good),
        ("cluster", index), ("cluster", index, "-f", "csv"), ("cluster", pictures),
        ("apply", groups, "--index", index, "--move-to", folder / "away", "--dry-run"),
        ("apply", ids, "--index", folder / "ids", "--move-to", folder / f"m{EVIL}"),
        ("apply", folder / f"none{EVIL}.csv", "--index", index, "--trash"),
        ("undo", folder / f"none{EVIL}"), ("undo", folder / "good.csv"),
        ("decisions", index, "--import", verdicts), ("decisions", index),
        ("calibrate", index, index), ("calibrate", index, index, "--labels", verdicts),
        ("build-index", folder / f"fresh{EVIL}", bad),
        ("build-index", new, folder / "headless.csv"),
        ("build-index", new, folder / "twice.csv"), ("build-index", new, folder / "odd.csv"),
        ("build-index", new, folder / "lines.jsonl"), ("build-index", new, folder / "quote.csv"),
        ("build-index", new, good, "--url-column", f"zz{EVIL}"), ("build-index", new, pictures),
        ("embed", bad, "-o", folder / "bad.npy"), ("embed", good, "-o", folder / f"no{EVIL}/x.npy"),
        ("add", index, bad), ("add", spoilt, good), ("add", index, folder / "twice.csv"),
        ("sync", index, good, "--dry-run"), ("sync", index, pictures, "--dry-run"),
        ("retry", index), ("refresh", index),
        ("remove", index, f"none{EVIL}"), ("remove", index, "--from", bad, "--missing-ok"),
        ("info", index), ("info", index, "--json"), ("info", spoilt),
        ("failures", index), ("failures", index, "-f", "csv"), ("failures", index, "-f", "jsonl"),
        ("failures", index, "-f", "tsv"), ("failures", spoilt, "--warnings"),
        ("verify", index), ("verify", spoilt), ("repair", spoilt), ("compact", index),
        ("thumbnails", index), ("thumbnails", folder / f"none{EVIL}"), ("cache",),
        ("import", folder / "ext", "--features", vectors, "--fields", fields),
        ("import", folder / "e2", "--features", folder / f"n{EVIL}.npy", "--fields", fields),
        ("export", index, "--features", folder / f"no{EVIL}/x.npy"), ("info", folder / "ext"),
        ("serve", index, "--host", f"host{EVIL}"), ("serve", folder / f"none{EVIL}"),
        ("models", f"x{EVIL}"), ("list-images", pictures), ("list-images", good),
        ("list-images", bad, "-f", "csv"), ("doctor", folder / f"none{EVIL}"),
        ("completion", f"x{EVIL}"), ("demo", "--keep", index), (f"no-command{EVIL}",),
        ("match", good, good, f"--no-option{EVIL}"), ("match", good, good, "-t", f"x{EVIL}"),
    ]  # fmt: skip


def test_every_command_is_fed() -> None:
    assert {str(each[0]) for each in commands(Path())} >= set(_COMMANDS)


@pytest.mark.parametrize("number", range(len(commands(Path()))))
@pytest.mark.ci
def test_no_command_sends_controls_to_a_terminal(place: Path, number: int) -> None:
    arguments = commands(place)[number]
    written = on_terminal(*arguments)
    shown = _OWN.sub("", written)
    assert "Traceback" not in shown and "Error: unexpected" not in shown, shown
    found = _OBEYED.search(shown)
    assert found is None, (found, shown[max(0, found.start() - 200) :][:400])


def test_the_terminal_can_be_harmed_without_cleaning() -> None:
    """The test above can fail: what it looks for is in the texts."""
    assert _OBEYED.search(_OWN.sub("", EVIL))


def test_clean_text_keeps_what_people_write() -> None:
    for text in ("žluťoučký", "日本語", "עברית", "👩‍👩‍👧", "می‌خواهم", "tab\tand\nline", "naïve"):
        assert clean_text(text) == text
    assert clean_text("\x1b[2J\r\x9b\u202e\ud800") == r"\x1b[2J\r\x9b\u202e\ud800"
    assert clean_cell("a\nb\tc\x1b\u202e") == "a b c··"


def test_a_file_or_pipe_gets_the_bytes_as_they_are(place: Path, tmp_path: Path) -> None:
    on_terminal("match", place / "good.csv", place / "good.csv", "-o", tmp_path / "pairs.csv")
    assert EVIL.encode() in (tmp_path / "pairs.csv").read_bytes()


def test_only_text_is_written_to_a_terminal() -> None:
    stream = io.StringIO()
    terminal = CleanTerminal(stream)
    with pytest.raises(TypeError):
        terminal.write(b"\x1b")  # type: ignore[arg-type]
    assert not hasattr(terminal, "buffer")
    terminal.writelines(["a\x1b", "b"])
    assert stream.getvalue() == r"a\x1bb"

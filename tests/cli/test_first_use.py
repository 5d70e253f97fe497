"""The first minutes: no command, a path alone, folders without an index, what to do next."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def terminal(vecsim, monkeypatch: pytest.MonkeyPatch):
    """Run a command whose standard output counts as a terminal of 80 columns."""

    def run(*arguments: object):
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        return vecsim(*arguments)

    return run


def test_without_a_command_five_lines_lead_on(vecsim) -> None:
    ran = vecsim()

    lines = ran.out.splitlines()
    assert (ran.status, ran.err, len(lines)) == (0, "", 5)
    for word, line in zip(("match", "query", "build-index", "serve", "--help"), lines, strict=True):
        assert line.startswith(f"vecsim {word}")
        assert len(line) <= 80


def test_a_place_instead_of_a_command_gets_the_command(vecsim, pictures: Path, index: Path) -> None:
    folder, picture, found = vecsim("pics"), vecsim("pics/1.jpg"), vecsim(index)

    assert {folder.status, picture.status, found.status} == {2}
    assert "no such command: pics. To find the similar pictures" in folder.err
    assert "vecsim match pics\n" in folder.err
    assert "vecsim query FOLDER pics/1.jpg" in picture.err
    assert f"It is an index: vecsim info {index}" in found.err


def test_pictures_and_lists_are_query_images_without_an_option(
    vecsim, index: Path, pictures: Path, second: Path
) -> None:
    by_option = vecsim("query", index, "--url", "pics/1.jpg", "--url", "pics/4.jpg")

    assert vecsim("query", index, "pics/1.jpg", "pics/4.jpg").out == by_option.out
    assert by_option.pairs
    assert vecsim("query", index, second).out == vecsim("query", index, "--csv", second).out
    assert vecsim("query", index, "pics").out == vecsim("query", index, "--csv", "pics").out


def test_a_list_beside_other_query_images_is_refused(vecsim, index: Path, second: Path) -> None:
    for words in ([second, "x.jpg"], [second, second], [second, "--csv", second]):
        ran = vecsim("query", index, *words)
        assert (ran.status, ran.out) == (2, "")
        assert "give one list or folder, or pictures" in ran.err
    assert vecsim("query", index, "x.jpg", "--id", "1").status == 2


@pytest.mark.parametrize("source", ["folder", "list"])
def test_a_source_is_clustered_and_queried_as_its_index_is(
    vecsim, source: str, pictures: Path, first: Path
) -> None:
    place = {"folder": pictures, "list": first}[source]
    vecsim("build-index", "built", place)

    groups = vecsim("cluster", place)
    found = vecsim("query", place, "pics/1.jpg")

    assert groups.out == vecsim("cluster", "built").out
    assert found.out == vecsim("query", "built", "pics/1.jpg").out
    assert len(groups.rows) >= 3
    assert "added." in groups.err
    assert "0 added" in found.err  # the index of the first command is used again


def test_a_clustered_source_follows_its_folder(vecsim, pictures: Path) -> None:
    before = vecsim("cluster", pictures)
    (pictures / "2.jpg").unlink()

    after = vecsim("cluster", pictures)

    assert len(after.rows) == len(before.rows) - 1
    assert not any(row["id"].endswith("2.jpg") for row in after.rows)


def test_images_of_a_source_that_fail_decide_the_status(vecsim, first: Path) -> None:
    Path("pics/3.jpg").unlink()

    assert vecsim("cluster", first).status == 3
    assert vecsim("query", first, "pics/1.jpg").status == 0  # the others are known by now


def test_the_model_of_a_source_can_be_chosen_and_that_of_an_index_not(
    vecsim, index: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VECSIM_MODEL")

    chosen = vecsim("cluster", pictures, "--model", "phash")
    refused = vecsim("cluster", index, "--model", "bundled")

    assert chosen.status == 0
    assert len(list(Path("indexes/.sources").glob("pics-phash-*"))) == 1
    assert (refused.status, refused.out) == (1, "")
    assert "bundled" in refused.err and "was asked for" in refused.err


def test_tables_on_a_terminal_end_with_the_next_step(terminal, index: Path, pictures: Path) -> None:
    shown = {
        "pairs": terminal("match", index),
        "found": terminal("query", index, "pics/1.jpg"),
        "none": terminal("match", index, "--threshold", "1"),
        "groups": terminal("cluster", index),
        "failures": terminal("failures", index),
    }

    last = {name: ran.err.partition("Next: ")[2] for name, ran in shown.items()}
    assert all(last.values()), shown
    assert all(len(line) <= 80 for text in last.values() for line in text.splitlines())
    assert f"vecsim cluster {index}" in last["pairs"]
    assert "--report pairs.html" in last["found"]
    assert "a lower --threshold" in last["none"]
    assert f"vecsim apply groups.csv --index {index}" in last["groups"]
    assert f"vecsim retry {index}" in last["failures"]


def test_no_next_step_with_quiet_files_reports_and_other_formats(terminal, index: Path) -> None:
    for words in (["-q"], ["-o", "p.csv"], ["--report", "p.html"], ["-f", "csv"], ["-f", "jsonl"]):
        assert "Next" not in terminal("match", index, *words).err
        assert "Next" not in terminal("cluster", index, *words).err


def test_no_next_step_in_a_pipe(vecsim, index: Path, pictures: Path) -> None:
    for words in (["match", index], ["cluster", index], ["query", index, "pics/1.jpg"]):
        assert "Next" not in vecsim(*words).err


def test_a_list_of_groups_of_a_folder_is_applied_to_the_folder(vecsim, pictures: Path) -> None:
    vecsim("cluster", "pics", "--output", "groups.csv")
    ran = vecsim("apply", "groups.csv", "--index", "pics", "--move-to", "gone")
    assert "files moved" in ran.err or "file moved" in ran.err, ran.err
    assert vecsim("undo", "groups.journal").status == 0

    vecsim("cluster", "pics", "--model", "bundled", "--output", "groups.csv")
    ran = vecsim("apply", "groups.csv", "--index", "pics", "--dry-run")
    assert ran.status == 2 and "several indexes were made of it" in ran.err
    ran = vecsim("apply", "groups.csv", "--index", pictures.parent, "--dry-run")
    assert ran.status == 1 and "not a vecsim index" in ran.err

"""Each kind of source: the same pictures give the same matches."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.servers import HostileServer

ROWS = [(str(number), f"pics/{number}.jpg", f"title {number}") for number in (1, 2, 3)]
PAIRS = [("1", "3"), ("1", "2"), ("2", "3")]  # of pictures 1, 2 and 3, best first


def _lines(*, header: str = "", separator: str, prefix: str = "") -> str:
    rows = [separator.join((number, prefix + path, title)) for number, path, title in ROWS]
    head = [header.replace(",", separator)] if header else []
    return "\n".join([*head, *rows]) + "\n"


def _json_lines(workplace: Path) -> str:
    return "".join(
        json.dumps(dict(zip(("id", "url", "title"), row, strict=True))) + "\n" for row in ROWS
    )


LISTS = {
    "comma": ("list.csv", lambda here: _lines(header="id,url,title", separator=","), []),
    "semicolon": ("list.csv", lambda here: _lines(header="id,url,title", separator=";"), []),
    "tab": ("list.tsv", lambda here: _lines(header="id,url,title", separator="\t"), []),
    "given": (
        "list.csv",
        lambda here: _lines(header="id,url,title", separator="~"),
        ["--delimiter", "~"],
    ),
    "path": ("list.csv", lambda here: _lines(header="id,path,title", separator=","), []),
    "bom": ("list.csv", lambda here: "\ufeff" + _lines(header="id,url,title", separator=","), []),
    "no-header": (
        "list.csv",
        lambda here: _lines(separator=","),
        ["--no-header", "--url-column", "2"],
    ),
    "other-names": (
        "list.csv",
        lambda here: _lines(header="sku,image,title", separator=","),
        ["--id-column", "sku", "--url-column", "image"],
    ),
    "file-urls": (
        "list.csv",
        lambda here: _lines(header="id,url,title", separator=",", prefix=f"{here.as_uri()}/"),
        [],
    ),
    "absolute": (
        "list.csv",
        lambda here: _lines(header="id,url,title", separator=",", prefix=f"{here}/"),
        [],
    ),
    "json-lines": ("list.jsonl", _json_lines, []),
}


@pytest.mark.parametrize("name", LISTS)
def test_each_kind_of_list_gives_the_same_matches(
    name: str, vecsim, pictures: Path, workplace: Path
) -> None:
    file, make, options = LISTS[name]
    (workplace / file).write_text(make(workplace), encoding="utf-8")

    ran = vecsim("match", file, *options)

    assert ran.status == 0
    assert [pair[:2] for pair in ran.pairs] == PAIRS


def test_an_encoding_can_be_named(vecsim, first: Path) -> None:
    text = first.read_text().replace("original", "schöne Bücher")
    first.write_bytes(text.encode("cp1252"))

    ran = vecsim("match", first, "--encoding", "cp1252")

    assert ran.rows[0]["reference_title"] == "schöne Bücher"


def test_relative_paths_are_relative_to_the_list(
    vecsim, first: Path, workplace, monkeypatch
) -> None:
    elsewhere = workplace / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    assert [pair[:2] for pair in vecsim("match", first).pairs] == PAIRS


def test_a_folder_includes_its_subfolders(vecsim, pictures: Path) -> None:
    (pictures / "deep" / "er").mkdir(parents=True)
    (pictures / "3.jpg").rename(pictures / "deep" / "er" / "3.JPG")
    (pictures / "notes.txt").write_text("not a picture")

    ran = vecsim("match", "pics", "--threshold", "0.9")

    one, three = pictures / "1.jpg", pictures / "deep" / "er" / "3.JPG"
    assert ran.pairs == [(str(one), str(three), 0.9375)]


def test_list_images_writes_a_list_to_build_from(vecsim, pictures: Path) -> None:
    listed = vecsim("list-images", "pics", "--output", "list.jsonl")
    built = vecsim("build-index", "new", "list.jsonl")

    assert (listed.status, built.status) == (0, 0)
    assert "new: 6 added." in built.err
    assert len(Path("list.jsonl").read_text().splitlines()) == 6


def test_list_images_writes_csv_to_standard_output(vecsim, pictures: Path) -> None:
    rows = vecsim("list-images", "pics").rows

    assert [Path(row["url"]).name for row in rows] == [f"{number}.jpg" for number in range(1, 7)]


@pytest.mark.parametrize("options", [[], ["--no-header"]])
def test_standard_input_is_a_source(options, vecsim, pictures: Path, monkeypatch) -> None:
    lines = [f"{path}\n" for path in sorted(pictures.iterdir())[:3]]
    text = "".join(lines if options else ["url\n", *lines])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    ran = vecsim("match", "-", *options)

    assert [Path(query).stem + Path(found).stem for query, found, _ in ran.pairs] == [
        *("13", "12", "23"),
    ]


def test_the_index_of_standard_input_is_used_again(vecsim, first: Path, monkeypatch) -> None:
    messages = []
    for _ in range(2):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(first.read_bytes())))
        messages.append(vecsim("match", "-").err)

    assert "-: 3 added." in messages[0]
    assert "-: 0 added, 3 already known." in messages[1]


@pytest.mark.ci
def test_a_process_substitution_is_a_source(first: Path, second: Path) -> None:
    command = (
        f"{sys.executable} -m vecsim match <(grep -v copy {first.name}) <(cat {second.name}) "
        "--format tsv --show-all"
    )
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)

    assert ran.returncode == 0
    assert [line.split("\t")[0] for line in ran.stdout.splitlines()] == ["query_id", "3"]


def test_several_sources_go_into_one_index(vecsim, first: Path, second: Path) -> None:
    ran = vecsim("build-index", "new", first, second)

    assert ran.status == 0
    assert "new: 4 added, 1 already known." in ran.err


def test_the_index_of_a_source_is_used_again(
    vecsim, workplace: Path, server: HostileServer
) -> None:
    text = "id,url\n" + "".join(f"{n},{server.url(f'/{n}.jpg')}\n" for n in range(1, 7))
    (workplace / "shop.csv").write_text(text)

    before = vecsim("match", "shop.csv")
    asked = Counter(server.seen.paths)
    after = vecsim("match", "shop.csv")

    assert asked == {f"/{number}.jpg": 1 for number in range(1, 7)}
    assert server.seen.paths == asked
    assert after.out == before.out != ""
    assert "shop.csv: 0 added, 6 already known." in after.err


def test_a_changed_source_is_indexed_again(vecsim, first: Path) -> None:
    vecsim("match", first)
    first.write_text(first.read_text().replace("pics/1.jpg", "pics/4.jpg"))

    assert [pair[:2] for pair in vecsim("match", first).pairs] == [("2", "3")]


def test_vecsim_indexes_names_the_folder_for_indexes_of_sources(
    vecsim, first: Path, workplace: Path, monkeypatch
) -> None:
    monkeypatch.setenv("VECSIM_INDEXES", str(workplace / "kept"))

    vecsim("match", first)

    assert [path.name[:12] for path in (workplace / "kept" / ".sources").iterdir()] == [
        "first-phash-"
    ]
    assert not (workplace / "indexes").exists()


def test_a_source_matched_with_an_index_uses_its_model(
    vecsim, index: Path, second: Path, monkeypatch
) -> None:
    monkeypatch.delenv("VECSIM_MODEL")  # the default would be bundled

    ran = vecsim("match", second, index, "--threshold", "1")

    assert ran.status == 0
    assert [pair[:2] for pair in ran.pairs] == [("3", "3"), ("4", "4")]


def test_an_existing_index_ignores_the_model_of_the_environment(
    vecsim, index: Path, second: Path, monkeypatch
) -> None:
    monkeypatch.setenv("VECSIM_MODEL", "mobilenet")
    monkeypatch.setenv("VECSIM_WEIGHTS", "/nowhere/weights.h5")

    for arguments in (
        ("match", index, second),
        ("add", index, second, "--on-duplicate", "skip"),
        ("build-index", index, second, "--on-duplicate", "skip"),
        ("query", index, "--url", "pics/1.jpg"),
        ("retry", index),
    ):
        assert vecsim(*arguments).status == 0, arguments

"""Matches that are written column by column, as blocks, are those written one by one."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vecsim import Index
from vecsim.index import Snapshot
from vecsim.index.match_blocks import MatchBlock, sorted_with_rows
from vecsim.operations.matches import matches_of
from vecsim.render import FORMATS, open_writer
from vecsim.render.columns import match_row
from vecsim.results import Pairs

ODD = ["plain", "a,b", 'quo"te', "two\nlines", "cr\rhere", "crlf\r\n", " space ", "tab\tbed"]
ODD += ["ünï 漢 🙂", "0012", "-0", "None", "=1+1", "@sum", "back\\slash", "\u2028", "x" * 300, "'"]
FIELDS = ["title", "price,net"]


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatchBlock]:
    """All pairs of images whose ids, URLs and fields are hard to write; some lack a field."""
    ids = [*ODD, *(f"{odd}{number}" for number in range(2) for odd in ODD)]
    fields = [
        {"title": ODD[-number % len(ODD)] if number % 3 else "", FIELDS[1]: str(number)}
        if number % 4
        else {}
        for number in range(len(ids))
    ]
    urls = [f"https://x.example/{text}" if number % 2 else "" for number, text in enumerate(ids)]
    path = tmp_path_factory.mktemp("odd") / "index"
    vectors = np.random.default_rng(1).standard_normal((len(ids), 3))
    Index.from_vectors(path, vectors, ids, urls=urls, fields=fields).close()
    with Snapshot(path) as snapshot:
        keys = snapshot.keys()
        query, reference = (places.ravel() for places in np.meshgrid(keys, keys, indexing="ij"))
        scores = np.round(np.linspace(-1, 1, len(query)), 6)
        pairs = Pairs(query, reference, scores, (query + reference) % 8)
        yield sorted_with_rows(pairs, snapshot, snapshot)


@pytest.mark.parametrize("oriented", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_blocks_are_written_as_their_matches_are(
    name: str, oriented: bool, block: MatchBlock, tmp_path: Path
) -> None:
    block = block if oriented else replace(block, pairs=replace(block.pairs, orientation=None))
    for way in ("block", "matches"):
        with open_writer(
            name,
            tmp_path / way,
            query_fields=FIELDS,
            reference_fields=FIELDS[:1],
            names=("left", 'right "of"'),
            oriented=oriented,
        ) as writer:
            if way == "block":
                writer.write_block(block)
            else:
                for match in matches_of(block):
                    writer.write(match)
    if name == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        both = [parquet.read_table(tmp_path / way) for way in ("block", "matches")]
        assert both[0].schema.equals(both[1].schema, check_metadata=True)
        assert both[0].equals(both[1])
        assert both[0].num_rows == len(block.pairs)
    else:
        assert (tmp_path / "block").read_bytes() == (tmp_path / "matches").read_bytes()


@pytest.mark.parametrize("name", ["csv", "tsv", "jsonl"])
def test_what_was_written_is_read_again(name: str, block: MatchBlock, tmp_path: Path) -> None:
    row = match_row(FIELDS, FIELDS[:1])
    wanted = [row(match) for match in matches_of(block)]
    with open_writer(
        name, tmp_path / "file", query_fields=FIELDS, reference_fields=FIELDS[:1]
    ) as writer:
        writer.write_block(block)
    with (tmp_path / "file").open(newline="", encoding="utf-8") as file:
        if name == "jsonl":
            found = [list(json.loads(line).values()) for line in file]
            assert found == wanted
            return
        rows = list(csv.reader(file, delimiter="," if name == "csv" else "\t"))[1:]
    assert [float(found[4]) for found in rows] == [values[4] for values in wanted]
    texts = [["" if value is None else value for value in values] for values in wanted]
    assert [found[:4] + found[5:] for found in rows] == [each[:4] + each[5:] for each in texts]

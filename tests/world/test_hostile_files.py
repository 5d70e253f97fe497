"""Files made to break decoders, and real images damaged at random, in one build."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from support.measured_command import vecsim, write_list
from support.mutants import mutants

KINDS = {"not-an-image", "unsupported-format", "too-large", "truncated", "damaged", "crashed"}
MEMORY = 1_500_000_000
SMALL = 60_000


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.ci
def test_hostile_files_become_failures_in_one_build(
    count: int, shared: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """`count` mutants, every hostile file (a tenth of them in the small form), and sound
    photographs among them, all of which must be loaded.
    """
    hostile = sorted(path for path in (shared / "hostile-images").rglob("*") if path.is_file())
    photographs = sorted((shared / "near-duplicates").rglob("*.jpg"))
    sound = [path for path in photographs if "corrupt" not in path.name]
    originals = [data for path in (*hostile, *sound) if 0 < len(data := path.read_bytes()) < SMALL]
    assert len(hostile) > 700
    assert len(sound) > 40
    if count < 20_000:
        hostile = hostile[::10]

    places: dict[str, list[Path]] = {"hostile": hostile, "sound": sound, "mutant": []}
    for number, data in enumerate(mutants(originals, count, seed=5)):
        folder = tmp_path / "mutants" / str(number // 1000)
        folder.mkdir(parents=True, exist_ok=True)
        places["mutant"].append(folder / f"{number}")
        places["mutant"][-1].write_bytes(data)
    columns = [[(f"{what}-{n}", path.as_uri()) for n, path in enumerate(paths)]
               for what, paths in places.items()]  # fmt: skip
    mixed = itertools.chain.from_iterable(itertools.zip_longest(*columns))
    urls = dict(entry for entry in mixed if entry is not None)
    source = write_list(tmp_path / "list.csv", urls)

    ran = vecsim("build-index", tmp_path / "index", source, limit=60 + count / 10)

    assert ran.status == 3, ran.err
    failed = {row["id"]: row for row in vecsim("failures", tmp_path / "index").rows}
    told = json.loads(vecsim("info", tmp_path / "index", "--json").out)
    assert told["images"] + len(failed) == len(urls)
    assert all(row["kind"] in KINDS and row["message"] for row in failed.values())
    assert not [name for name in failed if name.startswith("sound")]
    assert vecsim("verify", tmp_path / "index").status == 0

    table = {what: Counter[str]() for what in places}
    for name in urls:
        outcome = failed[name]["kind"] if name in failed else "an image"
        table[name.rpartition("-")[0]][outcome] += 1
    record_property("outcomes", {what: dict(counts) for what, counts in table.items()})
    print(f"\n{ran.memory / 1e6:.0f} MB at most, {len(urls) / ran.seconds:.0f} images/s")
    for outcome in ("an image", *sorted(KINDS)):
        print(f"{outcome:20}", *(f"{counts[outcome]:7,}" for counts in table.values()))
    print(f"{'':20}", *(f"{what:>7}" for what in table), ran.err, sep=" ")
    assert table["hostile"]["an image"] > len(hostile) / 2
    assert table["mutant"]["an image"] > count / 20
    assert table["mutant"]["crashed"] < count / 100
    assert 0 < ran.memory < MEMORY

"""`vecsim export --to` and `vecsim import --from`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyarrow")


def test_an_index_of_pictures_goes_out_and_comes_back(vecsim, built: Path) -> None:
    out = vecsim("export", built, "--to", "shop.parquet")
    assert (out.status, out.err) == (0, "shop.parquet: 6 vectors; read back, and the same.\n")
    back = vecsim("import", "back", "--from", "shop.parquet")
    assert (back.status, back.err) == (0, "back: 6 vectors added, 6 in all.\n")
    again = vecsim("import", "back", "--from", "shop.parquet")
    assert again.err == "back: 0 vectors added, 6 in all.\n"

    pairs = vecsim("match", built, "--format", "csv").out
    assert vecsim("match", "back", "--format", "csv").out == pairs
    assert vecsim("verify", "back").status == 0


def test_an_imported_index_takes_further_pictures(vecsim, built: Path, first: Path) -> None:
    vecsim("export", built, "--to", "shop.faiss")
    vecsim("import", "back", "--from", "shop.faiss")
    vecsim("remove", "back", "3")
    ran = vecsim("add", "back", first, "--on-duplicate", "skip")
    assert ran.status == 0
    assert "1 added" in ran.err


def test_files_of_another_program_are_replaced_on_demand_only(vecsim, built: Path) -> None:
    Path("x.faiss").write_bytes(b"other")
    refused = vecsim("export", built, "--to", "x.faiss")
    assert refused.status == 1
    assert refused.err == (
        "Error: x.faiss: holds something that vecsim did not write. If it can go, use --overwrite, "
        "or choose another --table.\n"
    )
    assert vecsim("export", built, "--to", "x.faiss", "--overwrite").status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "i"], "use --to, or --features and --fields"),
        (["export", "i", "--to", "x.parquet", "--fields", "f"], "--to goes without --features"),
        (["import", "i", "--features", "f.npy"], "use --from, or --features and --fields"),
        (["import", "i", "--from", "no.parquet"], "no such file: no.parquet"),
        (["import", "i", "--from", "no.faiss"], "no such file: no.faiss"),
        (["import", "i", "--from", "pairs.csv"], "pairs.csv: is no place that vectors can be"),
    ],
)
def test_what_cannot_be_done_is_said(vecsim, arguments: list[str], said: str) -> None:
    ran = vecsim(*arguments)
    assert ran.status in (1, 2)
    assert said in ran.err
    assert not Path("i").exists()

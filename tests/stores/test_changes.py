"""Stores that other programs wrote or changed, and addresses that name no store."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from support.stores import KINDS
from vecsim import Index
from vecsim.errors import (
    DuplicateIdError,
    FingerprintError,
    InputError,
    MissingExtraError,
    StorageError,
    UsageError,
)
from vecsim.stores import Columns, Place, open_store

VECTORS = np.random.default_rng(2).normal(size=(4, 6)).astype(np.float32)


def _unit(path: Path) -> object:
    with Index.open(path) as index:
        return index.snapshot.vectors_of(index.snapshot.keys())


def _expected() -> object:
    return VECTORS / np.linalg.norm(VECTORS.astype(np.float64), axis=1, keepdims=True)


def test_a_parquet_file_of_polars_becomes_an_index(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    table = polars.DataFrame(
        {
            "name": ["a", "b", "c", "d"],
            "emb": VECTORS.astype(np.float64).tolist(),
            "price": [1.5, None, 2.0, 3.0],
            "image": [f"http://shop.example/{n}" for n in range(4)],
        }
    )
    table.write_parquet(tmp_path / "x.parquet")
    columns = Columns("name", "image", "emb")
    with Index.import_from(
        tmp_path / "i", tmp_path / "x.parquet", model="clip", columns=columns
    ) as index:
        refs = [*index]
        assert [(ref.id, ref.url[-1]) for ref in refs] == [*zip("abcd", "0123", strict=True)]
        assert [dict(ref.fields) for ref in refs][:2] == [{"price": "1.5"}, {}]
        assert index.fingerprint.model == "clip"
    np.testing.assert_allclose(_unit(tmp_path / "i"), _expected(), atol=1e-7)
    with pytest.raises(InputError, match=r"no column 'vector'.*its columns are name, emb"):
        Index.import_from(tmp_path / "j", tmp_path / "x.parquet")


def test_a_file_of_faiss_alone_becomes_an_index(tmp_path: Path) -> None:
    import faiss

    index = faiss.IndexFlatL2(6)
    index.add(VECTORS)
    faiss.write_index(index, str(tmp_path / "x.faiss"))
    with Index.import_from(tmp_path / "i", tmp_path / "x.faiss") as found:
        assert [ref.id for ref in found] == ["0", "1", "2", "3"]
    np.testing.assert_allclose(_unit(tmp_path / "i"), _expected(), atol=1e-7)
    with pytest.raises(StorageError, match="holds something that vecsim did not write"):
        Index.open(tmp_path / "i").export_to(tmp_path / "x.faiss")

    other = faiss.IndexHNSWFlat(6, 8)
    faiss.write_index(other, str(tmp_path / "h.faiss"))
    with pytest.raises(InputError, match="is no flat FAISS index"):
        Index.import_from(tmp_path / "j", tmp_path / "h.faiss")


@pytest.mark.slow
def test_a_table_of_postgresql_becomes_an_index(tmp_path: Path) -> None:
    KINDS["pgvector"].require()
    import psycopg

    place = KINDS["pgvector"].address(tmp_path)
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE TABLE items (id int, stock numeric, embedding vector(6))")
        for number, vector in enumerate(VECTORS.tolist()):
            connection.execute("INSERT INTO items VALUES (%s, 2.5, %s)", (number, str(vector)))
    columns = Columns(vector="embedding")
    with Index.import_from(tmp_path / "i", place, table="items", columns=columns) as index:
        assert next((ref.id, dict(ref.fields)) for ref in index) == ("0", {"stock": "2.5"})
    np.testing.assert_allclose(_unit(tmp_path / "i"), _expected(), atol=1e-7)
    with pytest.raises(InputError, match="has no table 'images'"):
        Index.import_from(tmp_path / "j", place)
    with pytest.raises(StorageError, match="vecsim did not write"):
        Index.open(tmp_path / "i").export_to(place, table="items")


@pytest.mark.slow
def test_points_of_qdrant_become_an_index(tmp_path: Path) -> None:
    KINDS["qdrant"].require()
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(tmp_path / "q"))
    size = models.VectorParams(size=6, distance=models.Distance.COSINE)
    client.create_collection("items", vectors_config=size)
    ids = [f"{n}0000000-0000-0000-0000-000000000000" for n in range(4)]
    payloads = [{"url": "http://shop.example/x", "tags": ["a", "b"]}] * 4
    client.upsert("items", models.Batch(ids=ids, vectors=VECTORS.tolist(), payloads=payloads))
    client.close()
    place = f"qdrant:{tmp_path / 'q'}"
    with Index.import_from(tmp_path / "i", place, table="items") as index:
        assert [(ref.id, dict(ref.fields)) for ref in index][1] == (ids[1], {"tags": '["a", "b"]'})
    np.testing.assert_allclose(_unit(tmp_path / "i"), _expected(), atol=1e-7)


@pytest.mark.slow
def test_rows_that_a_database_changed_are_noticed_and_taken_on_demand(
    index: Path, tmp_path: Path
) -> None:
    KINDS["pgvector"].require()
    import psycopg

    place = KINDS["pgvector"].address(tmp_path)
    Index.open(index).export_to(place)
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute("""UPDATE images SET fields = '{"title": "new"}' WHERE id = 'item-3'""")
        with pytest.raises(InputError, match="'item-3' is not as it was handed over"):
            Index.import_from(tmp_path / "i", place)
        connection.execute("DELETE FROM images WHERE id = 'item-4'")
    with pytest.raises(InputError, match="holds 299 rows, but 300 were handed over"):
        Index.import_from(tmp_path / "i", place)
    with Index.import_from(tmp_path / "i", place, allow_changes=True) as taken:
        rows = {ref.id: dict(ref.fields) for ref in taken}
    assert (len(rows), rows["item-3"]) == (299, {"title": "new"})


def test_a_changed_byte_of_a_file_is_noticed(index: Path, tmp_path: Path) -> None:
    place = tmp_path / "x.faiss"
    Index.open(index).export_to(place)
    data = bytearray(place.read_bytes())
    data[2000] ^= 1
    place.write_bytes(data)
    with pytest.raises(InputError, match="is not as it was handed over"):
        Index.import_from(tmp_path / "i", place)
    assert not (tmp_path / "i").exists()

    place.write_bytes(data[:-3])
    with pytest.raises(InputError, match="which do not fit its header"):
        Index.import_from(tmp_path / "i", place)


def test_a_crash_while_files_are_put_in_place_is_continued(index: Path, tmp_path: Path) -> None:
    place = tmp_path / "x.faiss"
    Index.open(index).export_to(place)
    (tmp_path / "x.faiss.json").rename(tmp_path / "aside")
    (tmp_path / "x.faiss.partial").mkdir()
    incomplete = {**json.loads((tmp_path / "aside").read_text()), "complete": False}
    (tmp_path / "x.faiss.partial" / "manifest.json").write_text(json.dumps(incomplete))
    with pytest.raises(InputError, match="the handover to it was interrupted"):
        Index.import_from(tmp_path / "i", place)
    assert Index.open(index).export_to(place).count == 300
    assert len(Index.import_from(tmp_path / "i", place)) == 300


def test_a_line_too_few_or_too_many_is_noticed(index: Path, tmp_path: Path) -> None:
    place, lines = tmp_path / "x.faiss", tmp_path / "x.faiss.jsonl"
    Index.open(index).export_to(place)
    text = lines.read_text("utf-8")
    lines.write_text(text + text.splitlines()[0], "utf-8")
    with pytest.raises(InputError, match="has more lines than"):
        Index.import_from(tmp_path / "i", place)
    lines.write_text("".join(text.splitlines(keepends=True)[:-1]), "utf-8")
    with pytest.raises(InputError, match="has 299 lines, but"):
        Index.import_from(tmp_path / "j", place)
    lines.write_text("not JSON\n" + text, "utf-8")
    with pytest.raises(InputError, match="line 1 cannot be read"):
        Index.import_from(tmp_path / "k", place)


def test_ids_that_stand_for_another_vector_are_refused(index: Path, tmp_path: Path) -> None:
    Index.open(index).export_to(tmp_path / "x.parquet")
    with Index.from_vectors(tmp_path / "other", np.eye(24)[:1], ["item-1"], "clip"):
        pass
    with pytest.raises(DuplicateIdError, match="'item-1' comes twice, or is in the index"):
        Index.import_from(tmp_path / "other", tmp_path / "x.parquet")
    with Index.from_vectors(tmp_path / "small", np.eye(2), ["a", "b"], "clip"):
        pass
    with pytest.raises(FingerprintError, match="the vectors are of clip"):
        Index.import_from(tmp_path / "small", tmp_path / "x.parquet")


def test_facts_about_a_damaged_description_are_refused(index: Path, tmp_path: Path) -> None:
    place = tmp_path / "x.faiss"
    Index.open(index).export_to(place)
    about = tmp_path / "x.faiss.json"
    values = json.loads(about.read_text("utf-8"))
    about.write_text(json.dumps({**values, "format": 2}), "utf-8")
    with pytest.raises(InputError, match="by a later version of vecsim"):
        Index.import_from(tmp_path / "i", place)
    about.write_text('{"format": 1}', "utf-8")
    with pytest.raises(InputError, match="description of its vectors is damaged"):
        Index.import_from(tmp_path / "i", place)


def test_an_address_of_no_store_names_the_forms() -> None:
    with (
        pytest.raises(UsageError, match=r"use FILE\.parquet, FILE\.faiss"),
        open_store(Place("x.csv")),
    ):
        pass
    with pytest.raises(UsageError, match="need a name"):
        Place("x.parquet", "")


def test_a_missing_package_is_named_with_its_extra(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'vecsim\[lancedb\]'"):
        Index.open(index).export_to("lancedb:there")


def test_passwords_of_a_server_are_not_shown(index: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError) as refused:
        Index.open(index).export_to("postgresql://anna:secret@127.0.0.1:1/shop")
    assert "postgresql://127.0.0.1:1/shop" in str(refused.value)
    assert "secret" not in str(refused.value)

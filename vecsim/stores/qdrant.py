"""Qdrant: a collection of a server, or of a folder that the client keeps by itself.

Points have the keys of the index as their ids, since Qdrant takes only numbers and UUIDs; the ids
of images are in the payload. Vectors are compared by inner product: by cosine, Qdrant would divide
them by their lengths again, and they would not come back as they were.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from vecsim.errors import InputError
from vecsim.stores.rows import Batch, Manifest, batch_of_rows
from vecsim.stores.store import Place, extra, store_errors

_POINTS = 256  # in one request: a server refuses more than 32 MiB, in which a number takes 20 bytes
KEY_VARIABLE = "VECSIM_QDRANT_API_KEY"


class QdrantStore:
    """One collection."""

    is_database = True

    def __init__(self, place: Place) -> None:
        with extra("qdrant", place):
            import qdrant_client
            from qdrant_client.http.exceptions import ApiException
        self._place = place
        self._client: Any = None
        self._models: Any = qdrant_client.models
        self._kinds = (ApiException, OSError, ValueError, RuntimeError)
        where = place.address.removeprefix("qdrant:")
        with self._errors():
            if where.startswith(("http://", "https://")):
                key = os.environ.get(KEY_VARIABLE) or None
                self._client = qdrant_client.QdrantClient(url=where, api_key=key, timeout=60)
            else:
                self._client = qdrant_client.QdrantClient(path=where)

    def manifest(self) -> Manifest | None:
        """Return the manifest in the metadata of the collection, or None."""
        if not self.occupied():
            return None
        with self._errors():
            config = self._client.get_collection(self._place.table).config
        text = (config.metadata or {}).get("vecsim")
        return None if text is None else Manifest.from_json(text, str(self._place))

    def occupied(self) -> bool:
        """Return whether the collection exists."""
        with self._errors():
            return bool(self._client.collection_exists(self._place.table))

    def _clear(self) -> None:
        """Delete the collection."""
        with self._errors():
            self._client.delete_collection(self._place.table)

    def begin(self, manifest: Manifest, *, anew: bool) -> int:
        """Create the collection if it does not exist; returns how many points it has."""
        if anew:
            self._clear()
        size, distance = manifest.fingerprint.dim, self._models.Distance.DOT
        metadata = {"vecsim": manifest.to_json()}
        if self.occupied():
            self.finish(manifest)
            return self.count()
        with self._errors():
            vectors = self._models.VectorParams(size=size, distance=distance)
            self._client.create_collection(
                self._place.table, vectors_config=vectors, metadata=metadata
            )
        return 0

    def holds(self, key: int) -> bool:
        """Return whether a point has this key."""
        with self._errors():
            return bool(self._client.retrieve(self._place.table, [key], with_payload=False))

    def write(self, batch: Batch) -> None:
        """Add points; the server has stored each request of them when it answers."""
        payloads = [{n: v for n, v in row.items() if n != "key"} for row in batch.rows()]
        for start in range(0, len(batch), _POINTS):
            part = slice(start, start + _POINTS)
            points = self._models.Batch(
                ids=batch.keys[part],
                vectors=batch.vectors[part].tolist(),
                payloads=payloads[part],
            )
            with self._errors(), self._without_advice():
                self._client.upsert(self._place.table, points, wait=True)

    def written(self) -> Iterator[Batch]:
        """Yield the points, read back."""
        return self.read(_POINTS)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest into the metadata of the collection."""
        with self._errors():
            self._client.update_collection(
                self._place.table, metadata={"vecsim": manifest.to_json()}
            )

    def count(self) -> int:
        """Return how many points the collection has."""
        with self._errors():
            return int(self._client.count(self._place.table, exact=True).count)

    def read(self, size: int) -> Iterator[Batch]:
        """Yield the points by ascending id."""
        columns = self._place.columns if self.manifest() is None else None
        after: Any = None
        while True:
            with self._errors(), self._without_advice():
                points, after = self._client.scroll(
                    self._place.table,
                    limit=min(size, _POINTS),
                    offset=after,
                    with_vectors=True,
                )
            if points:
                name = columns.id if columns is not None else "key"
                rows = [{name: point.id, **(point.payload or {})} for point in points]
                yield batch_of_rows(rows, self._vectors(points), str(self._place), columns)
            if after is None:
                return

    def close(self) -> None:
        """Close the connection or the folder."""
        if self._client is not None:
            self._client.close()

    def _vectors(self, points: list[Any]) -> Any:
        found = [point.vector for point in points]
        if not all(isinstance(vector, list) for vector in found):
            raise InputError(
                f"{self._place}: the points must have one vector each, which has no name."
            )
        return np.array(found, np.float32)

    def _errors(self) -> Any:
        return store_errors(self._place, *self._kinds)

    def _without_advice(self) -> Any:
        """Leave out the client's advice to use a server for more than 20,000 points."""
        return warnings.catch_warnings(action="ignore")

"""The hashes of the bytes of images: which bytes several images share, which images have none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vecsim.catalog.connection import Connection
from vecsim.catalog.images import live_in


@dataclass(frozen=True, slots=True)
class SharedBytes:
    """Bytes that several images have: their SHA-256, the number of images, and of their URLs.

    `examples`: some of the URLs, the first ones, if asked for.
    """

    sha256: str
    images: int
    urls: int
    examples: tuple[str, ...] = ()


class ImageHashes:
    """The column `sha256` of the table `images`, without the rows around it.

    It is empty for vectors that came without an image; SQLite's index of it leaves these out.
    """

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    def any_known(self) -> bool:
        """Return whether the bytes of any image are known, removed images included."""
        # Two conditions, so that SQLite reads its index of the hashes that are not empty.
        sql = "SELECT EXISTS (SELECT 1 FROM images WHERE sha256 > '' AND sha256 <> '')"
        return bool(self._sql.query(sql)[0][0])

    def shared(self, least: int, generation: int) -> list[SharedBytes]:
        """Return bytes that at least `least` images had in `generation`, most frequent first."""
        # SQLite answers the inner query from its index alone, and few rows are left to read.
        frequent = (
            "SELECT sha256 FROM images WHERE sha256 <> '' GROUP BY sha256 HAVING count(*) >= ?"
        )
        sql = (
            f"SELECT sha256, count(*), count(DISTINCT url) FROM images "
            f"WHERE sha256 <> '' AND sha256 IN ({frequent}) AND {live_in(generation)} "
            f"GROUP BY sha256 HAVING count(*) >= ? ORDER BY 2 DESC, 1"
        )
        return [SharedBytes(*row) for row in self._sql.query(sql, [least, least])]

    def urls_of(self, sha256: str, limit: int, generation: int) -> list[str]:
        """Return at most `limit` URLs, in the order of their images, whose bytes had this hash."""
        sql = (
            f"SELECT url FROM images WHERE sha256 = ? AND sha256 <> '' AND {live_in(generation)} "
            f"GROUP BY url ORDER BY min(key) LIMIT ?"
        )
        return [str(row[0]) for row in self._sql.query(sql, [sha256, limit])]

    def keys_of(self, hashes: Iterable[str]) -> list[int]:
        """Keys, removed ones included, of images whose bytes have one of these hashes."""
        sql = "SELECT key FROM images WHERE sha256 <> '' AND sha256"
        return sorted(row[0] for row in self._sql.query_batches(sql, hashes))

    def keys_without(self) -> list[int]:
        """Keys, removed ones included, of images whose vectors came without bytes, ascending."""
        return [row[0] for row in self._sql.query("SELECT key FROM images WHERE sha256 = ''")]

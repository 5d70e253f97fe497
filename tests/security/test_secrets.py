"""Secrets reach the host that they are for, and nothing else: no other host, no file, no output."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from support.commands import run
from support.servers import HostileServer, good, redirect, status
from vecsim import Index
from vecsim.errors import UsageError
from vecsim.fetch import FetchOptions, UrlFetcher
from vecsim.records import ImageRef

PICTURE = (Path(__file__).resolve().parents[2] / "demo" / "images" / "1.jpg").read_bytes()
OTHER = (Path(__file__).resolve().parents[2] / "demo" / "images" / "2.jpg").read_bytes()
SECRET_HEADERS = (
    "Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "x-apikey", "Api-Key",
    "X-Auth-Token", "X-Amz-Security-Token", "X-Secret", "X-Session-Id", "X-Shop-Password",
)  # fmt: skip


def stored(index: Path) -> bytes:
    """All bytes of the files of an index, its catalog written out of its log first."""
    with sqlite3.connect(index / "catalog.db") as catalog:
        catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return b"".join(path.read_bytes() for path in index.rglob("*") if path.is_file())


# -- headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SECRET_HEADERS)
def test_a_header_that_looks_secret_needs_the_host_that_it_is_for(name: str) -> None:
    with pytest.raises(UsageError, match="looks like a secret") as caught:
        FetchOptions(headers={name: "hunter2"})
    assert "hunter2" not in str(caught.value)
    FetchOptions(host_headers={"shop.example": {name: "hunter2"}})


@pytest.mark.parametrize("name", ["Referer", "Accept", "Accept-Language", "X-Shop", "DNT", "From"])
def test_other_headers_are_sent_to_every_host(name: str) -> None:
    FetchOptions(headers={name: "value"})


@pytest.mark.ci
def test_a_header_of_one_host_is_not_sent_to_the_others_of_a_list(tmp_path: Path) -> None:
    with (
        HostileServer({"/1.jpg": good(PICTURE)}) as shop,
        HostileServer({"/2.jpg": good(OTHER)}, address="127.0.0.2") as other,
    ):
        rows = f"id,url\n1,{shop.url('/1.jpg')}\n2,{other.url('/2.jpg')}\n"
        (tmp_path / "list.csv").write_text(rows)
        index = tmp_path / "index"
        output = run(
            *("build-index", index, tmp_path / "list.csv"),
            *("--header-for", "127.0.0.1", "X-Api-Key: hunter2", "--header", "X-Shop: 7"),
        )
        assert shop.seen.headers[0][1]["X-Api-Key"] == "hunter2"
        assert other.seen.headers[0][1]["X-Api-Key"] is None
        assert other.seen.headers[0][1]["X-Shop"] == "7"
    assert "hunter2" not in output and b"hunter2" not in stored(index)


def test_a_secret_header_for_all_hosts_is_refused_with_the_option_to_use() -> None:
    said = run(
        *("build-index", "i", "l.csv", "--header", "X-Api-Key: hunter2"), status=2, VECSIM_MODEL=""
    )
    assert "--header-for shop.example 'X-Api-Key: …'" in said
    assert "hunter2" not in said


def test_a_header_of_a_port_is_not_sent_to_another_port() -> None:
    with HostileServer({"/1": good(b"x")}) as one, HostileServer({"/1": good(b"x")}) as two:
        own = {f"127.0.0.1:{one.port}": {"X-Api-Key": "k"}}
        fetcher = UrlFetcher(FetchOptions(host_headers=own))
        for server in (one, two):
            fetcher.fetch(server.url("/1"))
        fetcher.close()
        assert one.seen.headers[0][1]["X-Api-Key"] == "k"
        assert two.seen.headers[0][1]["X-Api-Key"] is None


def test_headers_do_not_come_back_after_a_redirect_to_another_origin() -> None:
    """A stranger's host may redirect back: what it asks for then is not what the user meant."""
    with (
        HostileServer({"/secret": good(b"x")}) as shop,
        HostileServer(address="127.0.0.2") as evil,
    ):
        shop.routes["/away"] = redirect(evil.url("/back"))
        evil.routes["/back"] = redirect(shop.url("/secret"))
        evil.routes["/in"] = redirect(shop.url("/secret"))
        fetcher = UrlFetcher(FetchOptions(host_headers={"127.0.0.1": {"X-Api-Key": "k"}}))
        fetcher.fetch(shop.url("/away"))
        fetcher.fetch(evil.url("/in"))
        fetcher.close()
        asked = {path: headers["X-Api-Key"] for path, headers in shop.seen.headers}
        assert asked == {"/away": "k", "/secret": None}
        assert all(headers["X-Api-Key"] is None for _, headers in evil.seen.headers)


def test_headers_stay_on_a_redirect_within_an_origin() -> None:
    with HostileServer({"/a": redirect("/b"), "/b": good(b"x")}) as shop:
        fetcher = UrlFetcher(FetchOptions(host_headers={"127.0.0.1": {"X-Api-Key": "k"}}))
        fetcher.fetch(shop.url("/a"))
        fetcher.close()
        assert [headers["X-Api-Key"] for _, headers in shop.seen.headers] == ["k", "k"]


# -- credentials in URLs --------------------------------------------------------------------------


def with_login(url: str) -> str:
    return url.replace("://", "://alice:hunter2@")


@pytest.mark.ci
def test_credentials_of_a_url_are_used_and_neither_stored_nor_shown(tmp_path: Path) -> None:
    with HostileServer({"/1.jpg": good(PICTURE), "/4.jpg": good(OTHER)}) as shop:
        shop.routes["/r.jpg"] = redirect("/4.jpg")
        rows = [shop.url(path) for path in ("/1.jpg", "/r.jpg", "/gone.jpg")]
        rows += ["http://127.0.0.1:1/refused.jpg", "ftp://127.0.0.1/x", "http://[bad/x"]
        listed = "".join(f"{with_login(row)},{with_login(row)}\n" for row in rows)
        (tmp_path / "list.csv").write_text(f"url,original\n{listed}")
        index = tmp_path / "index"
        said = run("build-index", index, tmp_path / "list.csv", "--retries", "0", status=3)
        authorized = {path: headers["Authorization"] for path, headers in shop.seen.headers}
        assert authorized["/1.jpg"] == "Basic YWxpY2U6aHVudGVyMg=="
        assert authorized["/4.jpg"] == authorized["/1.jpg"], "the same origin after a redirect"
        for arguments in (
            ("add", index, tmp_path / "list.csv"),
            ("match", index, index, "-f", "csv", "-o", tmp_path / "pairs.csv"),
            ("match", index, index, "--report", tmp_path / "report.html", "-o", tmp_path / "p.csv"),
            ("failures", index, "-f", "jsonl"),
            ("info", index, "--json"),
            ("export", index, "--features", tmp_path / "x.npy", "--fields", tmp_path / "x.csv"),
            ("query", index, "--url", with_login(shop.url("/1.jpg")), "-f", "csv"),
            ("query", index, "--url", with_login(shop.url("/nothing.jpg"))),
            ("list-images", tmp_path / "list.csv"),
            ("sync", index, tmp_path / "list.csv", "--dry-run"),
            ("match", with_login(shop.url("/1.jpg")), index),
        ):
            said += run(*arguments, status=(0, 1, 2, 3))
    for secret in ("hunter2", "YWxpY2U6aHVudGVyMg"):
        assert secret not in said
        assert secret.encode() not in stored(index)
        assert not [path for path in tmp_path.glob("[px]*") if secret in path.read_text("latin-1")]
    assert "hunter2" not in (tmp_path / "report.html").read_text()


@pytest.mark.ci
def test_a_list_with_credentials_is_known_again_without_them(tmp_path: Path) -> None:
    with HostileServer({"/1.jpg": good(PICTURE)}) as shop:
        for number, url in enumerate((with_login(shop.url("/1.jpg")), shop.url("/1.jpg"))):
            (tmp_path / f"{number}.csv").write_text(f"url\n{url}\n")
        run("build-index", tmp_path / "index", tmp_path / "0.csv")
        said = run("add", tmp_path / "index", tmp_path / "1.csv")
        assert "1 already known" in said
        run("remove", tmp_path / "index", "--from", tmp_path / "0.csv")
    with Index.open(tmp_path / "index") as index:
        assert len(index) == 0


@pytest.mark.ci
def test_sync_uses_the_credentials_of_a_list(tmp_path: Path) -> None:
    with HostileServer({"/1.jpg": good(PICTURE)}) as shop:
        (tmp_path / "list.csv").write_text(f"id,url\n1,{with_login(shop.url('/1.jpg'))}\n")
        (tmp_path / "empty.csv").write_text("id,url\n")
        run("build-index", tmp_path / "index", tmp_path / "empty.csv")
        run("sync", tmp_path / "index", tmp_path / "list.csv")
        assert shop.seen.headers[0][1]["Authorization"] == "Basic YWxpY2U6aHVudGVyMg=="
    assert b"hunter2" not in stored(tmp_path / "index")


def test_credentials_are_not_sent_to_another_origin() -> None:
    with (
        HostileServer({"/x": good(b"x")}, address="127.0.0.2") as other,
        HostileServer({"/a": redirect(with_login(other.url("/x")))}) as shop,
    ):
        fetcher = UrlFetcher(FetchOptions())
        fetched = fetcher.fetch(with_login(shop.url("/a")))
        fetcher.close()
        assert fetched.facts.final_url == other.url("/x")
        assert other.seen.headers[0][1]["Authorization"] is None


def test_a_reference_does_not_show_its_credentials() -> None:
    ref = ImageRef("1", "https://alice:hunter2@shop.example/1.jpg", {"seen": "ftp://a:hunter2@x/"})
    assert (ref.url, ref.fields) == ("https://shop.example/1.jpg", {"seen": "ftp://x/"})
    assert ref.address == "https://alice:hunter2@shop.example/1.jpg"
    assert "hunter2" not in repr(ref)
    assert ref == ImageRef("1", "https://shop.example/1.jpg", {"seen": "ftp://x/"})
    assert ImageRef.of_url("https://a:b@x/1").id == "https://x/1"


def test_a_failure_message_has_no_credentials() -> None:
    with HostileServer({"/a": redirect("ftp://alice:hunter2@x/"), "/b": status(500)}) as shop:
        fetcher = UrlFetcher(FetchOptions(retries=0))
        for url in ("/a", "/b"):
            with pytest.raises(Exception, match=r"redirect|500") as caught:
                fetcher.fetch(with_login(shop.url(url)))
            assert "hunter2" not in f"{caught.value} {vars(caught.value)}"
        fetcher.close()

"""Who may use the server: other sites, other machines, weak tokens, guesses."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.web_server import Server, environment, serving
from vecsim.errors import UsageError
from vecsim.web import ServeOptions

TOKEN = "a-token-of-this-test"
SEARCH = "indexes/six/search?id=1"


# -- other sites ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Origin": "http://["},
        {"Origin": "http://[x]y"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", [SEARCH, "indexes", "indexes/six/thumbnail?id=1", "health"])
def test_pages_of_other_sites_cannot_use_the_api(
    server: Server, headers: dict[str, str], path: str
) -> None:
    answer = server.client.get(server.api(path), headers=headers)
    assert (answer.status_code, answer.json()["kind"]) == (403, "foreign-origin")


def test_a_link_on_another_site_opens_a_page(server: Server) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.client.get(f"{server.url}i/six", headers=headers).status_code == 200


def test_an_origin_that_cannot_be_read_is_refused_for_writes_too(server: Server) -> None:
    for origin in ("http://[", "http://[::1]x", "\x01", "//", "http://a:b:c"):
        answer = server.client.post(
            server.api("indexes/six/search/url"), json={"url": "x"}, headers={"Origin": origin}
        )
        assert answer.status_code == 403, origin


# -- other machines -------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "shop.example"])
def test_another_host_than_loopback_needs_a_token_or_host_names(host: str) -> None:
    with pytest.raises(UsageError, match="can be reached from other machines"):
        ServeOptions(host=host)
    ServeOptions(host=host, token=TOKEN)
    named = ServeOptions(host=host, hosts=("shop.example",)).accepted_hosts
    assert named is not None and "evil.example" not in named


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_needs_neither(host: str) -> None:
    assert ServeOptions(host=host).accepted_hosts is not None


@pytest.mark.ci
def test_a_page_of_another_site_cannot_rebind_its_name_to_an_open_server(built: Path) -> None:
    with serving(built, host="0.0.0.0", hosts=["shop.example"]) as server:
        for host, status in (("evil.example", 400), ("shop.example", 200)):
            answer = server.client.get(server.api("indexes"), headers={"Host": host})
            assert answer.status_code == status


@pytest.mark.parametrize("proxy", ["proxy.example", "10.0.0.0/33", "", "*"])
def test_a_trusted_proxy_is_an_address(proxy: str) -> None:
    with pytest.raises(UsageError, match="not the address of a proxy"):
        ServeOptions(trusted_proxies=(proxy,))


# -- tokens ---------------------------------------------------------------------------------------


SHORT = "characters, at least 16 are needed"
UNSENDABLE = "only printable ASCII characters, no spaces"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", f"has 0 {SHORT}"),
        ("secret", f"has 6 {SHORT}"),
        ("x" * 15, f"has 15 {SHORT}"),
        ("a" * 20 + " ", UNSENDABLE),
        ("a" * 20 + "\n", UNSENDABLE),
        ("é" * 20, UNSENDABLE),
    ],
)
def test_weak_and_unusable_tokens_are_refused(token: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        ServeOptions(token=token)
    assert not token or token not in str(caught.value)


def test_a_token_of_sixteen_characters_is_accepted() -> None:
    assert ServeOptions(token="x" * 16).token == "x" * 16


@pytest.mark.ci
def test_wrong_tokens_are_answered_late(built: Path) -> None:
    with serving(built, token=TOKEN, wrong_token_seconds=0.5) as server:

        def seconds(status: int, **options: object) -> float:
            began = time.monotonic()
            call = server.client.post if "data" in options else server.client.get
            path = f"{server.url}login" if "data" in options else server.api("indexes")
            assert call(path, **options).status_code == status  # type: ignore[operator]
            return time.monotonic() - began

        assert seconds(401, data={"token": "x" * 20}) >= 0.5
        assert seconds(401, headers={"Authorization": "Bearer " + "x" * 20}) >= 0.5
        assert seconds(401) < 0.4
        assert seconds(200, headers={"Authorization": f"Bearer {TOKEN}"}) < 0.4
        assert seconds(303, data={"token": TOKEN}) < 0.4


# -- paths ----------------------------------------------------------------------------------------


def test_messages_about_the_index_of_the_working_folder_are_whole(built: Path) -> None:
    """The path `.` was replaced in messages: each full stop became the name of the index."""
    code = (
        "from pathlib import Path\n"
        "from vecsim.errors import UnknownIdError\n"
        "from vecsim.web.problems import problem_from_error\n"
        "from vecsim.web.server import index_names\n"
        "((name, path),) = index_names([Path('.')]).items()\n"
        "print(problem_from_error(UnknownIdError('no image a.jpg.'), path, name).detail)\n"
        "print(problem_from_error(UnknownIdError(f'{path}: gone.'), path, name).detail)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=built, env=environment() | {"PYTHONPATH": ROOT},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "no image a.jpg.\nsix: gone.\n"


ROOT = str(Path(__file__).resolve().parents[2])

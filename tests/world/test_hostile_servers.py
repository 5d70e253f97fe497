"""Misbehaving servers, through the real command: no hang, the right reason, no good image lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.measured_command import Ran, vecsim, write_list
from support.servers import (
    CASES,
    HostileServer,
    good,
    hostile_routes,
    in_turn,
    redirect,
    silent,
    untrusted_certificate,
)

PATIENCE = ("--timeout", 4, "--retries", 1, "--max-bytes", 20_000_000)


def failures(index: Path) -> dict[str, str]:
    """Id to kind, as the command lists them."""
    return {row["id"]: row["kind"] for row in vecsim("failures", index).rows}


def images(index: Path) -> int:
    """How many images the index holds."""
    return int(json.loads(vecsim("info", index, "--json").out)["images"])


@pytest.mark.ci
def test_hostile_servers_become_failures_in_one_build(image: bytes, tmp_path: Path) -> None:
    expected = dict(CASES)
    certificate = untrusted_certificate(tmp_path)
    with (
        HostileServer(hostile_routes(image)) as server,
        HostileServer({"/good.jpg": good(image)}, certificate=certificate) as tls,
    ):
        urls = {path: server.url(path) for path in CASES}
        if certificate is not None:
            urls["wrong certificate"] = tls.url("/good.jpg", host="localhost")
            urls["certificate of another"] = tls.url("/good.jpg")
            expected.update({"wrong certificate": "tls", "certificate of another": "tls"})
        urls["not https"] = server.url("/good.jpg").replace("http:", "https:")
        urls["no such host"] = "http://does-not-exist.invalid/a.jpg"
        urls["no server there"] = "http://127.0.0.1:1/a.jpg"
        expected.update({"not https": "tls", "no such host": "dns", "no server there": "connect"})

        ran = vecsim(
            "build-index", "index", write_list(tmp_path / "list.csv", urls), *PATIENCE, limit=60
        )

    good_ones = [name for name, kind in expected.items() if kind is None]
    assert ran.status == 3, ran.err
    assert failures(Path("index")) == {name: kind for name, kind in expected.items() if kind}
    assert images(Path("index")) == len(good_ones)
    assert ran.err.startswith(f"index: {len(good_ones)} added, {len(urls) - len(good_ones)} failed")
    assert vecsim("verify", "index").status == 0


@pytest.mark.ci
def test_temporary_errors_are_retried_successfully(image: bytes, tmp_path: Path) -> None:
    """A run with short timeouts leaves slow and busy servers for `retry`, and loses nothing."""
    names = ["/good.jpg", "/500-then-good.jpg", "/429-then-good.jpg", "/slow.jpg", "/404"]
    slow = in_turn(silent(), good(image))
    with HostileServer({**hostile_routes(image), "/slow.jpg": slow}) as server:
        source = write_list(tmp_path / "list.csv", {name: server.url(name) for name in names})
        hasty = ("--timeout", 3, "--retries", 0)
        assert vecsim("build-index", "index", source, *hasty).status == 3
        assert failures(Path("index")) == {
            "/500-then-good.jpg": "http",
            "/429-then-good.jpg": "http",
            "/slow.jpg": "timeout",
            "/404": "http",
        }
        ran = vecsim("retry", "index", *PATIENCE)
    assert ran.err.startswith("index: 3 added, 1 failed (1 http)")
    assert failures(Path("index")) == {"/404": "http"}


@pytest.mark.ci
def test_public_only_refuses_private_addresses(image: bytes, tmp_path: Path) -> None:
    (tmp_path / "own.jpg").write_bytes(image)
    with HostileServer({"/good.jpg": good(image)}) as server:
        hosts = {
            "number": "127.0.0.1",
            "name that resolves to loopback": "localhost",
            "decimal": "2130706433",
            "octal": "017700000001",
            "short": "127.1",
            "unspecified": "0.0.0.0",
            "ipv6": "[::1]",
            "mapped": "[::ffff:127.0.0.1]",
        }
        urls = {name: server.url("/good.jpg", host=host) for name, host in hosts.items()}
        expected = dict.fromkeys(urls, "forbidden-address")
        urls["metadata"] = "http://169.254.169.254/latest/meta-data/"
        urls["file"], urls["path"] = (tmp_path / "own.jpg").as_uri(), str(tmp_path / "own.jpg")
        expected.update(metadata="forbidden-address", file="bad-url", path="bad-url")

        source = write_list(tmp_path / "list.csv", urls)
        ran = vecsim("build-index", "index", source, "--public-only", *PATIENCE)
        assert ran.status == 3
        assert failures(Path("index")) == expected
        assert not server.seen.connections


PUBLIC = "11.22.33.44"

_IN_A_NETWORK_NAMESPACE = f"""
set -e
ip link set lo up
ip addr add {PUBLIC}/32 dev lo
echo '{PUBLIC} public.example half.example' > "$1/hosts"
echo '127.0.0.1 localhost inside.example half.example' >> "$1/hosts"
mount --bind "$1/hosts" /etc/hosts
exec "$0" -m world.test_hostile_servers "$1"
"""


@pytest.mark.ci
def test_public_only_refuses_redirects_to_private_addresses(image: bytes, tmp_path: Path) -> None:
    """In a network namespace in which a public address is local."""
    (tmp_path / "image.jpg").write_bytes(image)
    ran = subprocess.run(
        ["unshare", "-rnm", "sh", "-c", _IN_A_NETWORK_NAMESPACE, sys.executable, tmp_path],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=100,
    )
    if "vecsim ran" not in ran.stdout:
        pytest.skip(f"no network of one's own here: {ran.stderr[-200:]}")
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["images"] == 3
    assert told["failures"] == {
        "number": "forbidden-address",
        "name": "forbidden-address",
        "name of the inside": "forbidden-address",
        "name of both": "forbidden-address",
        "metadata": "forbidden-address",
        "ipv6": "forbidden-address",
        "file": "redirect",
        "directly": "forbidden-address",
        "directly by name": "forbidden-address",
    }
    assert told["inner connections"] == 0


def _redirected_inside(folder: Path) -> dict[str, object]:
    """Run with a server at a public address, and one at a private address not to be reached."""
    image = (folder / "image.jpg").read_bytes()
    with HostileServer({"/x": good(image)}) as inner, HostileServer(address=PUBLIC) as outer:
        targets = {
            "number": inner.url("/x"),
            "name": inner.url("/x", host="localhost"),
            "name of the inside": inner.url("/x", host="inside.example"),
            "name of both": inner.url("/x", host="half.example"),
            "metadata": "http://169.254.169.254/latest/meta-data/",
            "ipv6": inner.url("/x", host="[::ffff:127.0.0.1]"),
            "file": (folder / "image.jpg").as_uri(),
            "further": outer.url("/good"),
        }
        outer.routes["/good"] = good(image)
        paths = {name: "/" + name.replace(" ", "-") for name in ("good", *targets)}
        outer.routes.update({paths[name]: redirect(to) for name, to in targets.items()})
        urls = {name: outer.url(path) for name, path in paths.items()}
        urls["by name"] = outer.url("/good", host="public.example")
        urls["directly"] = inner.url("/x")
        urls["directly by name"] = inner.url("/x", host="inside.example")
        source, index = write_list(folder / "list.csv", urls), folder / "index"
        ran: Ran = vecsim("build-index", index, source, "--public-only", *PATIENCE)
        assert ran.status == 3, ran.err
        return {
            "images": images(index),
            "failures": failures(index),
            "inner connections": inner.seen.connections,
        }


if __name__ == "__main__":
    result = _redirected_inside(Path(sys.argv[1]))
    print("vecsim ran", json.dumps(result), sep="\n")

"""All hostile behaviours, each with its path and the failure that it must cause.

For tests of whole commands: serve `hostile_routes`, make a CSV of `CASES`, compare the failures.
"""

from __future__ import annotations

from collections.abc import Mapping

from support.servers.behaviours import (
    Behaviour,
    drip_body,
    drip_headers,
    endless,
    garbage,
    good,
    gzip_bomb,
    gzipped,
    huge,
    in_turn,
    lying_long,
    lying_short,
    pixel_bomb,
    redirect,
    reset_midway,
    silent,
    slow_start,
    status,
)

CASES: Mapping[str, str | None] = {
    "/good.jpg": None,
    "/slow-start.jpg": None,
    "/429-then-good.jpg": None,
    "/500-then-good.jpg": None,
    "/redirect-to-good": None,
    "/gzip-good.jpg": None,
    "/no-length-good.jpg": None,
    "/text-type-good.jpg": None,
    "/silent": "timeout",
    "/drip-headers": "timeout",
    "/drip-body": "timeout",
    "/endless": "too-large",
    "/100-mb": "too-large",
    "/gzip-bomb": "too-large",
    "/lying-short.jpg": "truncated",
    "/lying-long.jpg": "truncated",
    "/reset": "connect",
    "/garbage": "connect",
    "/loop": "redirect",
    "/to-file": "redirect",
    "/to-nowhere": "dns",
    "/to-closed-port": "connect",
    "/404": "http",
    "/410": "http",
    "/always-500": "http",
    "/429-for-ever": "http",
    "/html.jpg": "not-an-image",
    "/svg.png": "unsupported-format",
    "/pixel-bomb.png": "too-large",
    "/half.jpg": "truncated",
    "/zeros.jpg": "not-an-image",
    "/empty.jpg": "not-an-image",
}
"""The expected failure kind of each path after fetching and decoding; None: an image."""


def hostile_routes(image: bytes) -> dict[str, Behaviour]:
    """Behaviours for all `CASES`; `image` is a JPEG of some kilobytes."""
    return {
        "/good.jpg": good(image),
        "/slow-start.jpg": slow_start(image, 0.5),
        "/429-then-good.jpg": in_turn(status(429, {"Retry-After": "1"}), good(image)),
        "/500-then-good.jpg": in_turn(status(500), good(image)),
        "/redirect-to-good": redirect("/good.jpg", 301),
        "/text-type-good.jpg": good(image, "text/html"),
        "/silent": silent(),
        "/drip-headers": drip_headers(),
        "/drip-body": drip_body(),
        "/endless": endless(),
        "/100-mb": huge(100_000_000),
        "/gzip-bomb": gzip_bomb(200_000_000),
        "/lying-short.jpg": lying_short(image),
        "/lying-long.jpg": lying_long(image),
        "/reset": reset_midway(image),
        "/garbage": garbage(),
        "/loop": redirect("/loop", 301),
        "/to-file": redirect("file:///etc/passwd"),
        "/to-nowhere": redirect("http://does-not-exist.invalid/a.jpg"),
        "/to-closed-port": redirect("http://127.0.0.1:1/a.jpg"),
        "/gzip-good.jpg": gzipped(image),
        "/no-length-good.jpg": good(image, Content_Length=""),
        "/429-for-ever": status(429, {"Retry-After": "0"}),
        "/svg.png": good(b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'),
        "/pixel-bomb.png": good(pixel_bomb(20_000)),
        "/half.jpg": good(image[: len(image) // 2]),
        "/zeros.jpg": good(bytes(5000)),
        "/404": status(404),
        "/410": status(410),
        "/always-500": status(500),
        "/html.jpg": good(b"<!DOCTYPE html><html><body>Log in</body></html>"),
        "/empty.jpg": good(b""),
    }

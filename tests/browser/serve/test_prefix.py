"""The pages of a server that nginx serves below a path, with a token."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from support.serve_page import expect, give, shown
from support.web_server import PICTURES, free_port, serving, wait_for_port

TOKEN = "a-token-of-this-test"

# What docs/how-to/operate.md tells to write into the configuration of nginx.
_LOCATION = """
location /our/pictures/ {
    proxy_pass http://127.0.0.1:8470/;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    client_max_body_size 21m;
}
"""

_NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; {location} }}
}}
"""


@contextmanager
def proxied(backend: int, folder: Path) -> Iterator[str]:
    """Run nginx with the location of the documentation; yields its URL of the server."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        assert "browser" not in os.environ.get("VECSIM_REQUIRE", "").split(","), "CI has nginx"
        pytest.skip("there is no nginx (apt-get install nginx-light)")
    port = free_port()
    location = _LOCATION.replace("8470", str(backend))
    text = _NGINX.format(folder=folder, port=port, location=location)
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}/our/pictures/"
    finally:
        process.terminate()
        process.wait(10)


def test_the_documentation_has_this_location() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "operate.md").read_text()
    assert _LOCATION in page


@pytest.mark.ci
def test_all_pages_work_behind_nginx(page, built: Path, tmp_path: Path) -> None:
    options = {"root_path": "/our/pictures", "token": TOKEN, "trusted_proxies": ["127.0.0.1"]}
    with (
        serving(built, **options) as server,
        proxied(urlsplit(server.url).port or 0, tmp_path) as url,
    ):
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{url}i/six?id=1")
        assert page.url.startswith(f"{url}login?next=")
        page.fill("#token", TOKEN)
        page.press("#token", "Enter")
        page.wait_for_url(f"{url}i/six?id=1")
        assert shown(page) == ["3", "2"]
        picture = page.locator(".card:visible .picture img").first
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 50
        colour = page.locator("header.product").evaluate("e => getComputedStyle(e).display")
        assert colour == "flex"  # the style sheet is in force

        give(page, "drop", PICTURES / "1.jpg")
        assert shown(page) == ["1", "3", "2"]

        page.locator(".card:visible a.picture").nth(1).click()
        page.wait_for_url(f"{url}i/six?id=3")
        page.locator("nav a", has_text="Browse").click()
        page.wait_for_url(f"{url}i/six/browse")
        page.locator("nav a", has_text="Groups").click()
        page.wait_for_url(f"{url}i/six/groups")
        expect(page.locator("main, .reviewing").first).to_be_visible()
        page.locator("footer a", has_text="JSON API").click()
        page.wait_for_url(f"{url}api")
        page.locator("a.brand").click()
        page.wait_for_url(f"{url}i/six")

        cookies = page.context.cookies()
        assert [cookie["path"] for cookie in cookies] == ["/our/pictures"]
        # Pictures that a page shows from memory have URLs of their own, blob:http://…
        assert len(asked) > 20
        assert {each for each in asked if not each.startswith((url, f"blob:{url[:17]}"))} == set()
        answer = httpx.get(
            f"{url}api/v1/openapi.json",
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
        )
        assert answer.json()["servers"] == [{"url": "/our/pictures"}]

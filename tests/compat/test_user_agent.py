"""The User-Agent of downloads by the drop-in class."""

from pathlib import Path

import pytest

from support.servers import RawServer, response
from vecsim.compat import ImageSimilarity

PICTURE = (Path(__file__).parents[2] / "demo" / "images" / "1.jpg").read_bytes()


def _browsers_only(head: bytes) -> bytes:
    if b"\r\nUser-Agent: Mozilla/5.0 (X11)\r\n" in head + b"\r\n":
        return response("200 OK", PICTURE)
    return response("403 Forbidden")


@pytest.mark.parametrize(("user_agent", "loaded"), [("Mozilla/5.0 (X11)", 1), (None, 0)])
def test_a_server_that_serves_browsers_only(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    user_agent: str | None,
    loaded: int,
) -> None:
    monkeypatch.setenv("VECSIM_MODEL", "phash")
    monkeypatch.chdir(tmp_path)
    with RawServer(_browsers_only) as server:
        similarity = ImageSimilarity()
        similarity.user_agent = user_agent
        similarity.save_data("one", [["1", server.url("/1.jpg")]])
    assert f"Amount: {loaded}" in capsys.readouterr().out

"""The recording of the first minute shows what the commands print."""

from __future__ import annotations

import importlib.util
import re
import sys
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
RECORDING = (DOCS / "images" / "first-minute.svg").read_text(encoding="utf-8")
_SCORE = re.compile(r"\d\.\d{6}")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_recording", DOCS / "make_recording.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Data classes look their module up by its name.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "make_recording", module)
        spec.loader.exec_module(module)
    return module


def _lines(recording: str) -> list[str]:
    return [unescape(text) for text in re.findall(r"<text [^>]*>([^<]*)</text>", recording)]


def test_the_recording_is_small_and_lasts_twenty_seconds(maker: ModuleType) -> None:
    assert len(RECORDING) < 10_000
    assert maker.SECONDS == 20
    assert all(len(line) <= maker.COLUMNS for line in _lines(RECORDING))
    assert [line[2:] for line in _lines(RECORDING) if line.startswith("$ ")] == [
        command for command, _ in maker.STEPS
    ]


@pytest.mark.ci
def test_the_recording_is_up_to_date(maker: ModuleType) -> None:
    drawn, stored = (_lines(text) for text in (maker.draw(maker.record()), RECORDING))

    # The last digits of a score differ between processors.
    without = [[_SCORE.sub("SCORE", line) for line in lines] for lines in (drawn, stored)]
    assert without[0] == without[1], "run: python docs/make_recording.py"

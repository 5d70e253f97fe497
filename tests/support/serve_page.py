"""What tests of the pages of `vecsim serve` do in a browser."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

TIMEOUT_MS = 30_000
"""Also enough on a busy machine."""

_EVENT = """([kind, data, name, type]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], name, {type}));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", {clipboardData: given, bubbles: true, cancelable: true})
    : new DragEvent(kind, {dataTransfer: given, bubbles: true, cancelable: true});
  document.body.dispatchEvent(event);
}"""


def expect(what: Any) -> Any:
    """Playwright's `expect`, which waits; `wait_for_function` would violate the policy."""
    from playwright.sync_api import expect as expected

    return expected(what)


def give(page: Any, kind: str, path: Path, type_: str = "image/jpeg") -> None:
    """Drop or paste a file on the page."""
    data = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(_EVENT, [kind, data, path.name, type_])


def shown(page: Any) -> list[str]:
    """The ids of the visible cards."""
    page.wait_for_selector("#result:not([hidden])")
    page.wait_for_selector("#busy", state="hidden")
    return page.locator("#cards .card:visible .id").all_inner_texts()


def slide(page: Any, threshold: float) -> None:
    """Move the slider of the page to a threshold."""
    page.locator("#threshold").fill(str(threshold))

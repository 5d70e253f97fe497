"""Rows and pictures for HTML pages, and a script that measures contrast in a browser."""

from __future__ import annotations

import io

from PIL import Image

from vecsim.catalog import ImageRow
from vecsim.records import ImageFacts, ImageRef

HOSTILE = """</script><script>document.title="owned"</script><img src=x onerror=alert(1)>'"&"""
"""An id or title that would run if it were inserted as markup."""


def webp(colour: int) -> bytes:
    """A WebP of 40 x 30 pixels."""
    data = io.BytesIO()
    Image.new("RGB", (40, 30), (colour % 256, 90, 160)).save(data, "WEBP")
    return data.getvalue()


def row(key: int, id_: str, url: str = "", **fields: str) -> ImageRow:
    """A catalog row as a report shows it."""
    facts = ImageFacts(width=640, height=480, byte_count=34_000)
    return ImageRow(key, ImageRef(id_, url or f"https://shop.example/{key}.jpg", fields), facts, "")


CONTRAST = """() => {
  const parts = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const c = parts(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return parts(getComputedStyle(document.body).backgroundColor);
  };
  let worst = { ratio: 99 };
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || e.matches(":disabled, script, style") || !e.checkVisibility()) continue;
    const [a, b] = [light(parts(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text: e.textContent.slice(0, 40), name: e.className };
  }
  return worst;
}"""
"""Returns the lowest contrast ratio of a text on the page (WCAG), and where it is."""

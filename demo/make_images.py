"""Draw the demo's six pictures: `python demo/make_images.py` writes them into demo/images/.

Pictures 3, 4 and 5 are originals. Pictures 1 and 2 are what shops might make of 3, picture 6 what
one might make of 5; those are the pairs that `vecsim demo` finds. Only Pillow and NumPy are
needed, and the same versions of both draw the same pictures every time.
"""

from __future__ import annotations

from pathlib import Path

from artwork import harbour, lake, shop, teapot

IMAGES = Path(__file__).resolve().parent / "images"


def main() -> None:
    """Draw everything and report what was written."""
    cover, poster, card = lake.draw(), harbour.draw(), teapot.draw()
    files = {
        1: shop.stretched_with_watermark(cover),
        2: shop.faded_thumbnail(cover),
        3: shop.jpeg(cover, 90),
        4: shop.jpeg(poster, 88),
        5: shop.jpeg(card, 90),
        6: shop.framed_offer(card),
    }
    IMAGES.mkdir(exist_ok=True)
    for number, content in files.items():
        path = IMAGES / f"{number}.jpg"
        path.write_bytes(content)
        print(f"{path.relative_to(IMAGES.parent)}: {len(content):,} bytes")


if __name__ == "__main__":
    main()

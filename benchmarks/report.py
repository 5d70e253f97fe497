"""A report of 50,000 pairs, or a review of 10,000 groups, in a real browser: size, longest frames.

    python benchmarks/report.py
    python benchmarks/report.py --groups 10000 --images 40000

Opens the page in headless Chromium (VECSIM_CHROMIUM, by default /usr/bin/chromium) and scrolls,
turns pages, moves the slider, regroups and decides, and measures every frame. Frames also wait for
other processes, so each action is repeated in a trace: it tells the processor time of the longest
task on the page's thread, which hardly depends on the load of the machine. The thumbnails are made
of real photographs, each cropped and coloured differently, so that no two are alike.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from _common import original_photographs, report
from PIL import Image, ImageEnhance

from vecsim.catalog import ImageRow
from vecsim.decode.transform import make_thumbnail
from vecsim.index.match_blocks import MatchBlock
from vecsim.records import ImageFacts, ImageRef
from vecsim.render.report import ReportHead, open_report
from vecsim.render.review import GroupFacts, ReviewHead, open_review
from vecsim.results import Cluster, Pairs

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Records the milliseconds of each frame as the browser presents it.
FRAMES = """
() => {
  window.frames_ = []; let last = performance.now();
  const tick = (now) => {
    window.frames_.push(now - last); last = now; requestAnimationFrame(tick);
  };
  requestAnimationFrame((now) => { last = now; requestAnimationFrame(tick); });
}
"""
ACTIONS: dict[str, str] = {
    # What the browser does by itself, for comparison.
    "nothing": "async () => { for (let n = 0; n < 120; n++) await frame(); }",
    "scroll": "async () => { for (let y = 0; y < document.body.scrollHeight; y += 300) "
    "{ scrollTo(0, y); await frame(); } }",
    "turn 30 pages": "async () => { for (let n = 0; n < 30; n++) "
    "{ document.getElementById('next').click(); await frame(); await frame(); scrollTo(0, 2500); "
    "await frame(); } }",
    "walk 150 pairs": "async () => { for (let n = 0; n < 150; n++) { key('j'); await frame(); } }",
    "judge 60 pairs": "async () => { for (let n = 0; n < 60; n++) { key('s'); await frame(); } }",
    "slide 40 steps": "async () => { const s = document.getElementById('least'); "
    "for (let n = 0; n < 40; n++) { s.value = Number(s.min) + 0.003 * n; "
    "s.dispatchEvent(new Event('input')); await frame(); await frame(); } "
    "s.value = s.min; s.dispatchEvent(new Event('input')); await frame(); await frame(); }",
    "regroup and sort": "async () => { for (const [id, value] of [['group', 'component'], "
    "['sort', 'size'], ['group', 'none'], ['sort', 'low'], ['group', 'query'], ['sort', 'high']]) "
    "{ const s = document.getElementById(id); s.value = value; "
    "s.dispatchEvent(new Event('input')); "
    "await frame(); await frame(); await frame(); } }",
}
REVIEW_ACTIONS = {
    "nothing": ACTIONS["nothing"],
    "scroll": ACTIONS["scroll"],
    "turn 30 pages": ACTIONS["turn 30 pages"],
    "walk 150 groups": ACTIONS["walk 150 pairs"],
    "accept 60 groups": "async () => { for (let n = 0; n < 60; n++) { key('a'); await frame(); } }",
    "slide 40 steps": ACTIONS["slide 40 steps"],
    "sort and filter": "async () => { for (const [id, value] of [['sort', 'low'], "
    "['sort', 'bytes'], ['show', 'accepted'], ['folder', '12/'], ['folder', ''], ['show', 'all'], "
    "['sort', 'given']]) { const s = document.getElementById(id); s.value = value; "
    "s.dispatchEvent(new Event('input')); await frame(); await frame(); await frame(); } }",
    "accept all, undo": "async () => { for (let n = 0; n < 5; n++) "
    "{ document.getElementById('accept-all').click(); await frame(); await frame(); "
    "key('z'); for (let m = 0; m < 30; m++) await frame(); } }",
    "compare 40 pictures": "async () => { key('j'); key('c'); await frame(); const dialog = "
    "document.getElementById('compare'); for (let n = 0; n < 40; n++) { dialog.dispatchEvent("
    "new KeyboardEvent('keydown', { key: ['ArrowRight', 'v', '+', ' '][n % 4] })); await frame(); }"
    " dialog.close(); }",
}
HELPERS = """
() => {
  window.frame = () => new Promise((go) => requestAnimationFrame(go));
  window.key = (key) => (document.activeElement || document.body)
    .dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
}
"""


def thumbnails(count: int) -> list[bytes]:
    """Make `count` different thumbnails of real photographs."""
    originals = [Image.open(path).convert("RGB") for path in original_photographs()]
    for picture in originals:
        picture.thumbnail((480, 480))
    chance = random.Random(1)
    made = []
    for _ in range(count):
        picture = chance.choice(originals)
        width, height = picture.size
        share = chance.uniform(0.5, 1.0)
        size = (max(1, int(width * share)), max(1, int(height * share)))
        left, top = chance.randint(0, width - size[0]), chance.randint(0, height - size[1])
        cut = picture.crop((left, top, left + size[0], top + size[1]))
        made.append(make_thumbnail(ImageEnhance.Color(cut).enhance(chance.uniform(0.2, 1.5))))
    return made


def product(key: int) -> ImageRow:
    """Make the row of one image, with texts as long as those of a shop."""
    ref = ImageRef(
        f"SKU-{key:07d}",
        f"https://images.shop.example/products/{key % 97}/{key}-front-large.jpg",
        {"title": f"Product number {key}, blue", "price": f"{key % 400}.95"},
    )
    return ImageRow(key, ref, ImageFacts(byte_count=80_000 + key, width=1200, height=900), "")


def grouped_pairs(pair_count: int, image_count: int) -> Pairs:
    """Draw pairs within groups of 11 images, with scores from 0.845."""
    chance = np.random.default_rng(1)
    pairs = []
    group = 11
    for first in range(0, image_count, group):
        members = range(first, min(first + group, image_count))
        pairs += [(a, b) for a in members for b in members if a < b]
    chance.shuffle(pairs)
    pairs = sorted(pairs[:pair_count])
    query, reference = np.array(pairs, np.int64).T
    return Pairs(query, reference, np.round(chance.uniform(0.845, 1.0, len(pairs)), 6))


def write_report(path: Path, pair_count: int, image_count: int) -> None:
    """Write a report of `pair_count` pairs in which each of `image_count` images occurs."""
    pictures = dict(enumerate(thumbnails(image_count)))
    rows = {key: product(key) for key in pictures}
    head = ReportHead(
        "A shop, matched with itself",
        (f"{image_count:,} images", "score from 0.845"),
        ("title", "price"),
        ("title", "price"),
        itself=True,
        group="component",
    )
    with open_report(path, head) as opened:
        opened.add(
            MatchBlock(grouped_pairs(pair_count, image_count), rows, rows),
            lambda keys: pictures,
            lambda keys: pictures,
        )


def write_groups(path: Path, group_count: int, image_count: int) -> None:
    """Write a review of `group_count` groups of `image_count` images together."""
    pictures = dict(enumerate(thumbnails(image_count)))
    chance = np.random.default_rng(1)
    cuts = np.sort(chance.choice(image_count // 2 - 1, group_count - 1, replace=False) + 1) * 2
    parts = np.split(np.arange(image_count), cuts)
    with open_review(path, ReviewHead("A shop", (f"{image_count:,} images",), ("title",))) as page:
        for part in parts:
            rows = [product(int(key)) for key in part]
            size = len(rows)
            pairs = chance.uniform(0.845, 1.0, size * (size - 1) // 2).round(6).tolist()
            group = Cluster(
                tuple(row.ref for row in rows),
                tuple(row.facts for row in rows),
                (1.0, *pairs[: size - 1]),
                tuple(row.key for row in rows),
                (True,) + (False,) * (size - 1),
                ("most pixels",) + ("",) * (size - 1),
                min(pairs),
            )
            page.add(group, GroupFacts(pairs, [["file of 2024-05-31"]] * size), lambda _: pictures)


def measure_action(page: Page, name: str, action: str) -> dict[str, Any]:
    """Run one action in the page; return its number of frames and their times."""
    page.evaluate("() => { window.frames_.length = 0; }")
    page.evaluate(action)
    frames = np.array(page.evaluate("() => window.frames_") or [float("nan")])
    task = longest_task(page, lambda: page.evaluate(action))
    return {
        "action": name,
        "frames": len(frames),
        "longest ms": round(float(frames.max()), 1),
        "99 % ms": round(float(np.percentile(frames, 99)), 1),
        "task, CPU ms": round(task, 1),
    }


def longest_task(page: Page, work: Callable[[], object]) -> float:
    """Return the processor time of the longest task on the page's thread during `work`, in ms."""
    events: list[dict[str, Any]] = []
    done: list[object] = []
    session = page.context.browser.new_browser_cdp_session()
    session.on("Tracing.dataCollected", lambda event: events.extend(event["value"]))
    session.on("Tracing.tracingComplete", lambda event: done.append(event))
    traced = {"includedCategories": ["toplevel", "devtools.timeline"]}
    session.send("Tracing.start", {"traceConfig": traced, "transferMode": "ReportEvents"})
    work()
    session.send("Tracing.end")
    while not done:
        page.wait_for_timeout(50)
    session.detach()
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = (
        event["tdur"]
        for event in events
        if event["name"].endswith("RunTask")
        and (event["pid"], event["tid"]) in threads
        and "tdur" in event
    )
    return max(tasks, default=0) / 1000


@contextmanager
def open_page(path: Path) -> Iterator[Page]:
    """Open the report in a browser and wait until it is ready."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("VECSIM_CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-quic"],
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        start = time.perf_counter()

        def load() -> None:
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-state=ready]", timeout=120_000)
            print(f"ready after {time.perf_counter() - start:.1f} s: {page.inner_text('#count')}")

        print(f"longest task while it is read: {longest_task(page, load):.1f} ms of CPU time")
        page.wait_for_timeout(1000)
        page.evaluate(HELPERS)
        page.evaluate(FRAMES)
        yield page
        browser.close()


@click.command()
@click.option("--pairs", default=50_000, show_default=True)
@click.option("--images", default=10_000, show_default=True)
@click.option("--groups", default=0, help="Measure a review of so many groups instead.")
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(pairs: int, images: int, groups: int, output: Path | None) -> None:
    """Measure a report or a review in a browser."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "report.html"
        if groups:
            write_groups(path, groups, images)
        else:
            write_report(path, pairs, images)
        shown = f"{groups:,} groups" if groups else f"{pairs:,} pairs"
        print(f"{shown} of {images:,} images: {path.stat().st_size / 1e6:.1f} MB")
        actions = REVIEW_ACTIONS if groups else ACTIONS
        with open_page(path) as page:
            rows = [measure_action(page, name, action) for name, action in actions.items()]
            heap = page.evaluate("() => performance.memory ? performance.memory.usedJSHeapSize : 0")
    report("report", rows, output)
    print(f"longest frame {max(row['longest ms'] for row in rows)} ms, heap {heap / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

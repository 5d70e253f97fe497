"""The HTML report in a browser: hostile text, scripts that others insert, a file that was cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from support.html_pages import HOSTILE, row
from support.report_page import PAIRS, exported, write
from vecsim.index.match_blocks import MatchBlock
from vecsim.render.report import ReportHead, open_report
from vecsim.results import Pairs


def test_hostile_strings_are_shown_as_text(page, tmp_path: Path, watched) -> None:
    urls = ["javascript:alert(1)", 'https://x.example/"><script>1</script>', "data:text/html,x"]
    refs = {n: row(n, HOSTILE, url, **{HOSTILE: HOSTILE}) for n, url in enumerate(urls)}
    refs[3] = row(3, "half \ud800 pair", "/tmp/a b.jpg", **{HOSTILE: "=1+1"})
    pairs = Pairs(np.zeros(4, np.int64), np.arange(4), np.full(4, 0.9))
    head = ReportHead(HOSTILE + "{facts}{style}", [HOSTILE], [HOSTILE], [HOSTILE])
    with open_report(tmp_path / "hostile.html", head) as report:
        report.add(MatchBlock(pairs, refs, refs), lambda keys: {}, lambda keys: {})
    page.goto((tmp_path / "hostile.html").as_uri())
    page.wait_for_selector("html[data-state=ready]")
    page.wait_for_selector("main:not([aria-busy])")
    assert page.title() == HOSTILE + "{facts}{style}"
    assert page.inner_text("h1") == HOSTILE + "{facts}{style}"
    assert page.locator("img, main script").count() == 0
    links = page.locator("main a").evaluate_all("(all) => all.map((a) => a.href)")
    assert {link.split(":")[0] for link in links} == {"https", "file"}
    assert "file:///tmp/a%20b.jpg" in links
    page.keyboard.press("j")
    page.keyboard.press("s")
    (line,) = exported(page, lambda: page.keyboard.press("e"))
    assert line["query_id"] == HOSTILE
    assert watched.hosts == set()


def test_the_content_security_policy_blocks_inserted_scripts(show, watched) -> None:
    page = show(PAIRS)
    ran = page.evaluate(
        """() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';
        document.body.append(s); return window.ran === 1; }"""
    )
    assert not ran
    assert len(watched.problems) == 1 and "Content Security Policy" in watched.problems[0]
    watched.problems.clear()


def test_a_truncated_report_shows_an_error(page, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.html", PAIRS).read_text()
    script = whole[whole.rindex("<script>") :]
    without_end = whole[: whole.rindex('<script type="application/json"')] + script
    (tmp_path / "cut.html").write_text(without_end)
    page.goto((tmp_path / "cut.html").as_uri())
    page.wait_for_selector("html[data-state=broken]")
    assert "incomplete" in page.get_by_role("alert").inner_text()

"""Pages in one file: text is escaped, data is not run, and the policy allows only their script."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from vecsim.render.html_page import Page, data_block
from vecsim.render.report import LABEL_PAGE, REPORT
from vecsim.render.review import REVIEW


def test_title_and_facts_are_escaped() -> None:
    opening = REPORT.opening("<b>A & B</b>", ["1 < 2", "a\udc80"]).decode()

    assert "<title>&lt;b&gt;A &amp; B&lt;/b&gt;</title>" in opening
    assert "<li>1 &lt; 2</li><li>a\\udc80</li>" in opening


@pytest.mark.parametrize("page", [REPORT, LABEL_PAGE, REVIEW])
def test_the_policy_allows_exactly_the_script_of_the_page(page: Page) -> None:
    opening, closing = page.opening("t", []).decode(), page.closing().decode()
    (script,) = re.findall(r"<script>(.*)</script>", closing, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert f"script-src 'sha256-{digest}'" in opening
    assert "default-src 'none'" in opening
    assert ("file:" in opening.partition("script-src")[0]) == page.local_pictures


def test_data_cannot_end_its_element_and_can_be_read_again() -> None:
    value = {"id": "</script><script>alert(1)</script> & <!--"}

    block = data_block(json.dumps(value).encode())

    inner = re.fullmatch(rb"<script [^>]*>(.*)</script>\n", block, re.DOTALL)
    assert inner is not None and b"<" not in inner[1]
    assert json.loads(inner[1]) == value

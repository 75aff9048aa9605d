"""Pages pass the strict Content-Security-Policy, and every sentence of theirs can be translated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGES = sorted(
    path
    for folder in ("templates", "deploy/errors", "voting_portal", "ballots", "identity")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".html", ".svg"}
)

FORBIDDEN = {
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)", re.IGNORECASE),
    "a <style> element": re.compile(r"<style\b", re.IGNORECASE),
    "a style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "an on... handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "a javascript: address": re.compile(r"javascript:", re.IGNORECASE),
    "something of another site": re.compile(
        r"""<(?:script|link|img|iframe)[^>]*(?:src|href)\s*=\s*["']?(?:https?:)?//""", re.IGNORECASE
    ),
}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Comments, tags and variables; what is left is text that everybody reads in one language.
NOT_TEXT = re.compile(
    r"{#.*?#}|{% comment.*?%}.*?{% endcomment %}|"
    r"{% blocktranslate.*?%}.*?{% endblocktranslate %}|{%.*?%}|{{.*?}}",
    re.DOTALL,
)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_nothing_in_a_page_breaks_the_content_security_policy(page):
    text = page.read_text()
    if page.parent.name == "errors":  # nginx allows their style by its hash; test_nginx.py
        text = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)

    found = {
        what: match[0] for what, pattern in FORBIDDEN.items() if (match := pattern.search(text))
    }

    assert not found


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "deploy" not in page.parts and "simulator" not in page.parts],
    ids=name,
)
def test_every_sentence_of_a_page_can_be_translated(page):
    text = NOT_TEXT.sub("", page.read_text())
    text = text.replace("中文", "")  # a language is offered under its own name

    assert not CHINESE.findall(text)


# Beside a Chinese character stands Chinese punctuation; the exchange's forms keep their own.
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff”」》）][,:;!?](?!\d)|[\u4e00-\u9fff]\([\u4e00-\u9fff]")
FOR_HOLDERS = ("ballots", "identity", "components", "notifications", "console")


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.parent.name in FOR_HOLDERS and "admin" not in page.parts],
    ids=name,
)
def test_chinese_sentences_are_punctuated_in_chinese(page):
    sentences = re.findall(
        r"{% translate ([\"'].*?[\"']) |{% blocktranslate.*?%}(.*?){% endblocktranslate",
        page.read_text(),
    )

    assert not [s for pair in sentences for s in pair if HALF_WIDTH.search(s.strip("\"'"))]


@pytest.mark.parametrize(
    "bad",
    [
        "<script>alert(1)</script>",
        '<p style="color: red">',
        '<a href="#" onclick="go()">',
        "<style>p {}</style>",
        '<img src="https://elsewhere.example/pixel.gif">',
    ],
)
def test_the_patterns_find_what_they_are_for(bad):
    assert any(pattern.search(bad) for pattern in FORBIDDEN.values())

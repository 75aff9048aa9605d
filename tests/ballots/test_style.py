"""The style sheet and the templates: contrast, nothing fetched from anywhere, no inline script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
STYLE = (ROOT / "static/css/portal.css").read_text()
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
PAIRS = [
    ("ink", "page"),
    ("ink", "card"),
    ("soft", "page"),
    ("soft", "card"),
    ("soft", "tint"),
    ("link", "page"),
    ("link", "card"),
    ("link", "tint"),
    ("on-brand", "brand"),
    ("on-brand", "hero"),
    ("for", "for-tint"),
    ("for", "card"),
    ("against", "against-tint"),
    ("against", "card"),
    ("abstain", "abstain-tint"),
    ("abstain", "card"),
    ("warn", "warn-tint"),
    ("warn", "card"),
]


def colours(scheme):
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): (#\w+)", light))
    return found | dict(re.findall(r"--([\w-]+): (#\w+)", dark)) if scheme == "dark" else found


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), PAIRS)
def test_text_stands_out(scheme, front, back):
    known = colours(scheme)

    assert contrast(known[front], known[back]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_edges_of_fields_stand_out(scheme):
    known = colours(scheme)

    assert contrast(known["field"], known["card"]) >= 3


def test_the_style_fetches_nothing():
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert "@font-face" not in STYLE


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_no_script_style_or_handler(template):
    text = template.read_text()

    assert re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", text) is None

"""Notes as QR codes: what a telephone's camera can keep and a scrutineer can scan."""

from __future__ import annotations

import segno
from django.utils.safestring import SafeString, mark_safe


def qr_of(text: str, *, title: str) -> SafeString:
    """The text as an SVG picture without script or style, black on white in any colour scheme."""
    code = segno.make(text, micro=False, error="m", boost_error=False)
    picture = code.svg_inline(
        svgclass="qr", lineclass=None, light="#fff", title=title, omitsize=True, border=4
    )
    return mark_safe(picture)  # noqa: S308 - segno escapes the title; the rest is its own

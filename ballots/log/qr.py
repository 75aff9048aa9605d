"""Notes as QR codes: what a telephone's camera can keep and a scrutineer can scan."""

from __future__ import annotations

import io

import segno
from django.utils.safestring import SafeString, mark_safe


def qr_of(text: str, *, title: str) -> SafeString:
    """The text as an SVG picture without script or style, black on white in any colour scheme."""
    picture = _code(text).svg_inline(
        svgclass="qr", lineclass=None, light="#fff", title=title, omitsize=True, border=4
    )
    return mark_safe(picture)  # noqa: S308 - segno escapes the title; the rest is its own


def png_of(text: str) -> bytes:
    """The text as a picture for documents: PNG, black on white, eight pixels a module."""
    target = io.BytesIO()
    _code(text).save(target, kind="png", scale=8, border=4)
    return target.getvalue()


def _code(text: str) -> segno.QRCode:
    return segno.make(text, micro=False, error="m", boost_error=False)

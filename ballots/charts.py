"""Charts drawn on the server as SVG; the table beside them says the same in figures."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

WIDTH = 600  # units of the drawing


def opinion_bar(figures: dict[str, Any]) -> SafeString:
    """One bar of 同意, 反对 and 弃权 as parts of 100 %, labelled for those who cannot see it."""
    total = sum(figures[name] for name in ("for", "against", "abstain"))
    parts, left = [], 0
    for name, label in (("for", _("同意")), ("against", _("反对")), ("abstain", _("弃权"))):
        width = WIDTH * figures[name] // total if total else 0
        percent = figures[f"{name}_pct"]
        parts.append({"name": name, "label": label, "x": left, "width": width, "pct": percent})
        left += width
    return render_to_string("console/opinion_bar.svg", {"parts": parts, "width": WIDTH})

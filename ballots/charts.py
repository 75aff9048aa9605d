"""Charts drawn on the server as SVG; the table beside them says the same in figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from meetings.agenda import Agenda, MotionPaper

WIDTH = 600  # units of the drawing
LINE = 36  # units from one candidate to the next


def charts_of(agenda: Agenda, content: dict[str, Any]) -> Iterator[tuple[str, SafeString]]:
    """A chart a motion, by its number."""
    for motion in agenda.motions:
        if motion.is_cumulative:
            yield motion.number, candidate_bars(motion, content["motions"][motion.number])
        elif not motion.is_heading:
            yield motion.number, opinion_bar(content["motions"][motion.number]["total"])


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


def candidate_bars(motion: MotionPaper, result: dict[str, Any]) -> SafeString:
    """A bar a candidate, as long as its votes are of the most that anybody has."""
    figures = result["candidates"]
    most = max((of["votes"] for of in figures.values()), default=0) or 1
    bars = [
        {
            "label": f"{candidate.name} {figures[candidate.number]['ratio']}%",
            "y": place * LINE,
            "width": WIDTH * figures[candidate.number]["votes"] // most,
            "is_elected": figures[candidate.number]["elected"],
        }
        for place, candidate in enumerate(motion.candidates)
    ]
    context = {"bars": bars, "width": WIDTH, "height": len(bars) * LINE}
    return render_to_string("console/candidate_bars.svg", context)

"""Charts drawn on the server as SVG; the table beside each says the same in figures."""

from __future__ import annotations

from collections.abc import Sequence

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from meetings.lifecycle import BEIJING
from notifications.models import Delivery
from notifications.progress import ARRIVED, HANDED, NOT_ARRIVED, Hour, Progress
from notifications.reach import Stage

WIDTH, HEIGHT = 600, 120  # units of the drawing
MOST_HOURS = 48
# What became of a delivery, from the best down: the name is the colour's.
PARTS = {
    "arrived": _("已送达"),
    "handed": _("已交通道"),
    "failed": _("失败"),
    "unknown": _("结果不明"),
    "waiting": _("待发"),
    "skipped": _("无需发送"),
    "settled": _("已处理"),
}


def bar(progress: Progress) -> SafeString:
    """One bar of what became of all deliveries, or of the little that may be known of a secret."""
    shares = {"settled": progress.settled}
    if not progress.is_secret:
        shares = {
            "arrived": progress.of(*ARRIVED),
            "handed": progress.of(*HANDED),
            "failed": progress.of(*NOT_ARRIVED),
            "unknown": progress.of(Delivery.State.UNKNOWN),
            "skipped": progress.of(Delivery.State.SKIPPED),
        }
    shares["waiting"] = progress.waiting
    total, left, parts = sum(shares.values()), 0.0, []
    for name, number in shares.items():
        width = WIDTH * number / total if total else 0.0
        parts.append(_part(name, number, x=left, width=width, y=0, height=28))
        left += width
    return render_to_string(
        "admin/notifications/components/bar.html", {"parts": parts, "width": WIDTH}
    )


def columns(hours: Sequence[Hour]) -> SafeString:
    """A column an hour of what deliveries came to in it, of the last two days of sending."""
    shown = hours[-MOST_HOURS:]
    most = max((hour.total for hour in shown), default=0) or 1
    step = WIDTH / max(len(shown), 12)
    drawn = []
    for at, hour in enumerate(shown):
        top, parts = float(HEIGHT), []
        for name in ("arrived", "handed", "failed", "unknown"):
            number = getattr(hour, name)
            height = HEIGHT * number / most
            top -= height
            parts.append(_part(name, number, x=at * step, width=step * 0.8, y=top, height=height))
        begins_at = hour.begins_at.astimezone(BEIJING)
        drawn.append(
            {
                "parts": parts,
                "label": f"{begins_at:%H}" if at % (len(shown) // 12 + 1) == 0 else "",
                "middle": _figure(at * step + step * 0.4),
            }
        )
    context = {"columns": drawn, "width": WIDTH, "height": HEIGHT}
    return render_to_string("admin/notifications/components/columns.html", context)


def funnel(stages: Sequence[Stage]) -> SafeString:
    """A bar a stage, each as long as its part of the holders registered."""
    most = max((stage.holders for stage in stages), default=0) or 1
    bars = [
        {
            "label": stage.label,
            "holders": stage.figure,
            "width": _figure(WIDTH * stage.holders / most),
            "y": 30 * at,
            "text_y": 30 * at + 17,
        }
        for at, stage in enumerate(stages)
    ]
    context = {"bars": bars, "width": WIDTH, "height": 30 * len(bars)}
    return render_to_string("admin/notifications/components/funnel.html", context)


def _part(
    name: str, number: int, *, x: float, width: float, y: float, height: float
) -> dict[str, object]:
    return {
        "name": name,
        "label": PARTS[name],
        "number": number,
        "x": _figure(x),
        "y": _figure(y),
        "width": _figure(width),
        "height": _figure(height),
    }


def _figure(number: float) -> str:
    """A coordinate as SVG reads it, whatever the page's language."""
    return f"{number:.1f}"

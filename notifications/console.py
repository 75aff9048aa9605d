"""How far the notices of an own meeting reach, for its secretary: what the exchange's staff see of
the funnel, and no more of it before the close."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ballots.console import own_meeting, secretary_required
from identity.models import User
from notifications import charts, reach
from notifications.progress import notices_by_hour


@require_safe
@secretary_required
def reach_page(request: HttpRequest, user: User, meeting: int) -> HttpResponse:
    subject = own_meeting(user, meeting)
    stages = reach.reach(subject)
    hours = notices_by_hour(subject.pk, now=timezone.now())[-charts.MOST_HOURS :]
    context = {
        "meeting": subject,
        "stages": stages,
        "funnel": charts.funnel(stages),
        "hours": hours,
        "columns": charts.columns(hours),
    }
    return render(request, "console/reach.html", context)

"""What a verified holder says about messages (拒收): no more, or again; and where to complain.

It holds for the registered phone and every meeting to come. One-time codes are asked for by whoever
gets them and go on.
"""

from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from identity.voters import VoterRequest, voter_required
from meetings import live
from meetings.models import Holder
from notifications.suppressions import (
    NoNumber,
    accept_messages,
    refuse_messages,
    refuses_messages,
)
from voting_portal.common.http import see_other


@require_http_methods(["GET", "HEAD", "POST"])
@voter_required(level=1)
def messages(request: VoterRequest, meeting: int) -> HttpResponseBase:
    """Whether messages go to the holder's phone; POST `messages=off` or `on` changes it."""
    voter, now = request.voter, timezone.now()
    holder = Holder.objects.filter(pk=voter.holder_id, link_generation=voter.generation).first()
    if holder is None or live.live_meeting(meeting) is None:
        return see_other("identity:start")
    context = {"voter": voter, "holder": holder, "agenda": live.agenda(meeting)}
    try:
        if request.method != "POST":
            context["is_refused"] = refuses_messages(holder)
            return render(request, "notifications/messages.html", context)
        if request.POST.get("messages") == "off":
            refuse_messages(holder, now=now)
        elif request.POST.get("messages") == "on":
            accept_messages(holder, now=now)
    except NoNumber:
        return render(request, "notifications/messages.html", context)
    return see_other("notifications:messages", meeting)

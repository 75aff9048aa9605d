"""A verified holder's promise and proof, on paper and as files."""

from __future__ import annotations

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from ballots.entitlement import Entitlement
from ballots.log.checkpoints import NotLogged
from ballots.log.promises import kept, promise_of, proof_of
from ballots.log.qr import qr_of
from ballots.views import holder_page
from identity.voters import VoterRequest
from meetings.agenda import Agenda
from voting_portal.common.http import see_other


@require_safe
@holder_page
def promise(request: VoterRequest, entitlement: Entitlement, agenda: Agenda) -> HttpResponseBase:
    """The confirmation to print or keep: code, time, signed note; no choice stands on it."""
    if not entitlement.cast:
        return see_other("ballots:ballot", agenda.meeting_id)
    promises = []
    for ballot in entitlement.cast.values():
        note = promise_of(ballot)
        promises.append(
            {
                "ballot": ballot,
                "share_class": agenda.share_classes[ballot.share_class],
                "note": note,
                "picture": qr_of(note, title=_("确认书二维码")),
                "kept": kept(ballot),
            }
        )
    context = {"agenda": agenda, "voter": request.voter, "promises": promises}
    return render(request, "ballots/promise.html", context)


@require_safe
@holder_page
def promise_file(
    _request: VoterRequest, entitlement: Entitlement, agenda: Agenda
) -> HttpResponseBase:
    """The signed promises of all the holder's ballots as one text."""
    if not entitlement.cast:
        raise Http404
    text = "\n".join(promise_of(ballot) for ballot in entitlement.cast.values())
    return _file(text, f"promise-{agenda.meeting_id}.txt")


@require_safe
@holder_page
def proof_file(request: VoterRequest, entitlement: Entitlement, agenda: Agenda) -> HttpResponseBase:
    """The proof for the ballot of the class that the address asks for, the first one otherwise."""
    asked = request.GET.get("class", "")
    ballots = [b for b in entitlement.cast.values() if asked in ("", str(b.share_class))]
    if not ballots:
        raise Http404
    try:
        text = proof_of(ballots[0], agenda)
    except NotLogged:
        return see_other("ballots:promise", agenda.meeting_id)
    return _file(text, f"ballot-{agenda.meeting_id}-{ballots[0].code}.tlog-proof")


def _file(text: str, name: str) -> HttpResponse:
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response

"""A paper half filled in (草稿), kept in the holder's own browser.

Every page of the paper is thus reached by a GET: back, reload and a session that ended and was
begun again find what was filled in. A draft decides nothing: what is cast is what the form carries
that the review has shown. Nothing of it is kept on the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase

from ballots.lines import FIELD, MOST_TYPED
from ballots.paper import Paper
from identity import voters

MOST_BYTES = 3_500  # a browser takes cookies of 4,096 bytes
_SALT = "ballots.draft"
_MARK = re.compile(r"[0-9a-f]{32}")


def keep_draft(response: HttpResponseBase, paper: Paper) -> bool:
    """Keep the paper until the browser is closed; False when it is too long for that."""
    return _keep(response, paper.agenda.meeting_id, paper.mark, paper.data)


def keep_what_came_late(request: HttpRequest, response: HttpResponseBase, meeting_id: int) -> None:
    """Keep what a form brought after its session was over, so that the next one finds it.

    Nobody is known here, so the form's own mark is kept with it: it is read for the paper of that
    holder and class only.
    """
    mark = request.POST.get("mark", "")
    sent = {
        name: value[:MOST_TYPED]
        for name, value in request.POST.dict().items()
        if value and FIELD.fullmatch(name)
    }
    if sent and _MARK.fullmatch(mark):
        _keep(response, meeting_id, mark, sent)


def _keep(response: HttpResponseBase, meeting_id: int, mark: str, data: Mapping[str, str]) -> bool:
    value = signing.dumps([mark, data], salt=_SALT, compress=True)
    if len(value) > MOST_BYTES:
        return False
    response.set_cookie(
        voters.draft_cookie(meeting_id),
        value,
        httponly=True,
        samesite="Lax",
        secure=settings.IS_PRODUCTION,
    )
    return True


def read_draft(request: HttpRequest, paper: Paper) -> Paper | None:
    """The paper as it was kept; None when nothing was, or for another holder or class."""
    value = request.COOKIES.get(voters.draft_cookie(paper.agenda.meeting_id), "")
    try:
        mark, data = signing.loads(value, salt=_SALT, max_age=voters.WHOLE)
    except (signing.BadSignature, ValueError):
        return None
    return paper.changed(data) if mark == paper.mark else None

"""The portal with addresses more, the floors of ours: /empty does nothing, /bare-vote does the
INSERT of a ballot, /bare-receipts that of a carrier's receipts, and nothing else. With DRAW_ANEW
every page is drawn from its template each time, as if nothing of it were kept.
"""

from __future__ import annotations

import json
import os

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.safestring import mark_safe
from django.views.decorators.csrf import csrf_exempt

from bench import BARE_BALLOT
from voting_portal.common import fragments
from voting_portal.common.http import see_other
from voting_portal.wsgi import application

__all__ = ["application"]
settings.ROOT_URLCONF = __name__


if "DRAW_ANEW" in os.environ:
    fragments.drawn = lambda _what, *_facts, draw: mark_safe(draw())


@login_not_required
def empty(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"")


@login_not_required
@csrf_exempt
def bare_vote(request: HttpRequest, holder: int) -> HttpResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BARE_BALLOT, [holder << 3, holder, json.dumps(request.POST.dict())])
    return see_other("/empty")


@login_not_required
@csrf_exempt
def bare_receipts(request: HttpRequest) -> HttpResponse:
    lines = json.loads(request.body)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO bare_receipt (ref, status) VALUES (%s, %s)",
            [(line["id"], line["status"]) for line in lines],
        )
    return HttpResponse(status=204)


urlpatterns = [
    path("", include("voting_portal.urls")),
    path("empty", empty),
    path("bare-vote/<int:holder>", bare_vote),
    path("bare-receipts", bare_receipts),
]

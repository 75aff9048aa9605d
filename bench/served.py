"""The portal with two addresses more: /empty does nothing, the floor of every page, and /bare-vote
does the INSERT of a ballot and nothing else, the floor of the cast.
"""

from __future__ import annotations

import json
import os

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from bench import BARE_BALLOT
from voting_portal.common.http import see_other

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voting_portal.settings")
settings.ROOT_URLCONF = __name__
application = get_wsgi_application()


@login_not_required
def empty(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"")


@login_not_required
@csrf_exempt
def bare_vote(request: HttpRequest, holder: int) -> HttpResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BARE_BALLOT, [holder << 3, holder, json.dumps(request.POST.dict())])
    return see_other("/empty")


urlpatterns = [
    path("", include("voting_portal.urls")),
    path("empty", empty),
    path("bare-vote/<int:holder>", bare_vote),
]

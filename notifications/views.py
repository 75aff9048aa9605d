"""Where carriers post their receipts."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifications.receipts import take_in
from voting_portal.gateways import NoSuchGateway
from voting_portal.gateways.protocol import NotFromGateway

logger = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
@require_POST
def receipts(request: HttpRequest, name: str) -> HttpResponse:
    """Take a signed receipt of a gateway; whoever signs wrongly finds nothing here."""
    try:
        body = request.body  # up to DATA_UPLOAD_MAX_MEMORY_SIZE, a megabyte
    except RequestDataTooBig:
        return HttpResponse(status=413)
    try:
        answer = take_in(name, headers=request.headers, body=body, now=timezone.now())
    except NoSuchGateway:
        raise Http404 from None
    except NotFromGateway as refusal:
        logger.warning("a receipt in the name of %s was refused: %s", name, refusal)
        raise Http404 from None
    return HttpResponse(answer.body, status=answer.status, content_type=answer.content_type)

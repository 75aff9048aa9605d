"""Where carriers post their receipts, and look once whether the address is ours."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from notifications.receipts import take_in
from voting_portal.common.http import client_address
from voting_portal.gateways import NoSuchGateway
from voting_portal.gateways.admission import admit, greet
from voting_portal.gateways.nonces import NonceStoreAway
from voting_portal.gateways.protocol import NotFromGateway

logger = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
@require_http_methods(["GET", "POST"])
def receipts(request: HttpRequest, name: str, key: str = "", **_place: str) -> HttpResponse:
    """Take a receipt of a gateway; whoever is not that gateway finds nothing here.

    Asked in this order: its size, the secret in the address, where it came from, its signature, and
    whether the nonce was used. What the carrier itself adds to the address says nothing new.
    """
    now = timezone.now()
    try:
        body = request.body  # up to DATA_UPLOAD_MAX_MEMORY_SIZE, a megabyte
        admit(name, key=key, address=client_address(request))
        said = request.META["QUERY_STRING"].encode()  # Kannel reports by GET
        if request.method == "GET" and not said:
            answer = greet(name, headers=request.headers, now=now)
        else:
            answer = take_in(name, headers=request.headers, body=body or said, now=now)
    except RequestDataTooBig:
        return HttpResponse(status=413)
    except NoSuchGateway:
        raise Http404 from None
    except NotFromGateway as refusal:
        logger.warning("a receipt in the name of %s was refused: %s", name, refusal)
        raise Http404 from None
    except NonceStoreAway:
        return HttpResponse(status=503, headers={"Retry-After": "60"})
    return HttpResponse(
        answer.body,
        status=answer.status,
        content_type=answer.content_type,
        headers=dict(answer.headers),
    )

"""The security record (安全记录): who proved who they are, and who was refused.

One line of the log each, of the logger `security`, in one schema:

    at, level, logger, request    as every line
    event                         one of Note
    actor                         `operator:3`, `secretary:8`, `holder:<pseudonym>`, or nothing
    address                       the network of the client: the last part is left out
    and what the event has besides: way, reason, proved (the level), meeting, view, status, limit

Nothing personal stands in it. What staff did stands in the journal as well.
"""

from __future__ import annotations

import ipaddress
import logging
from enum import StrEnum
from typing import Any

from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from voting_portal.common.http import client_address

log = logging.getLogger("security")


class Note(StrEnum):
    CODE_ASKED = "holder.code_asked"
    HOLDER_VERIFIED = "holder.verified"
    HOLDER_NOT_VERIFIED = "holder.not_verified"
    HOLDER_LEFT = "holder.signed_out"
    FIRST_FACTOR = "staff.first_factor"
    SIGNED_IN = "staff.signed_in"
    NOT_SIGNED_IN = "staff.not_signed_in"
    LOCKED = "staff.locked"
    SIGNED_OUT = "staff.signed_out"
    SESSION_OVER = "staff.session_over"
    ACCESS_REFUSED = "access.refused"
    FORM_REFUSED = "form.refused"
    LIMIT_REACHED = "limit.reached"
    CANARY_OPENED = "canary.opened"


def note(
    what: Note, request: HttpRequest | None, *, actor: str = "", **facts: str | int | None
) -> None:
    """Write one line. `facts` hold no personal data: words of the code, numbers, names of views."""
    address = network_of(client_address(request)) if request else ""
    line: dict[str, Any] = {"event": str(what), "actor": actor, "address": address, **facts}
    log.info("%s", what, extra={"security": line})


def holder_actor(holder_id: int) -> str:
    """How the record names a holder: alike within an installation, and told to nobody by itself."""
    digest = salted_hmac("security record", str(holder_id), algorithm="sha256").hexdigest()
    return f"holder:{digest[:16]}"


def network_of(address: str) -> str:
    """192.0.2.7 -> 192.0.2.0/24, 2001:db8:1:2::3 -> 2001:db8:1::/48; blank for anything else."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    length = 24 if found.version == 4 else 48
    return str(ipaddress.ip_network(f"{found}/{length}", strict=False))

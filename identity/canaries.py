"""Canary links (诱饵链接): signed like a holder's, for indexes no register reaches, sent to nobody.

They lie where only a thief would find them: in a backup, a key escrow, a list at a carrier. Whoever
opens one has found that place or signs links with the meeting's key, and either is an alarm. The
visitor is answered as for every bad link.
"""

from __future__ import annotations

import logging

from django.http import HttpRequest
from django.utils import timezone

from identity.links import Link, personal_url
from voting_portal.common import ids
from voting_portal.common.security_notes import Note, note
from voting_portal.incidents.raising import raise_incident
from voting_portal.incidents.rules import CANARY_OPENED

# The last indexes of a meeting. A register of 268 million holders would be refused long before.
CANARIES = 1_000

log = logging.getLogger(__name__)


def canary_url(meeting_id: int, number: int) -> str:
    """The absolute address of canary `number`, from 1 to CANARIES; ValueError for another.

    KeyDestroyed when the meeting's keys are gone.
    """
    if not 0 < number <= CANARIES:
        raise ValueError(f"there is no canary {number}: they are numbered from 1 to {CANARIES}")
    return personal_url(ids.holder_id(meeting_id, ids.MAX_INDEX + 1 - number), 0)


def watch(request: HttpRequest, link: Link, code: str) -> None:
    """Say so when a link without a holder is a canary: key id and meeting (`code[:5]`), no more."""
    number = ids.MAX_INDEX + 1 - ids.index_of(link.holder_id)
    if number <= CANARIES:
        log.critical("canary link opened: /v/%s of meeting %s", code[:5], link.meeting_id)
        note(Note.CANARY_OPENED, request, meeting=link.meeting_id, canary=number)
        subject, now = f"meeting:{link.meeting_id}", timezone.now()
        seen = {"meeting": link.meeting_id, "canary": number}
        raise_incident(CANARY_OPENED, subject, seen=seen, at=now, now=now)

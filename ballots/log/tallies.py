"""The opening of the tally in the log: which lists it was counted by and what came out.

Holders stand under their pseudonyms, so both documents can be handed to an auditor.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ballots.log import records, sequencer
from ballots.log.ballots import origin_of
from ballots.log.commitment import Kind, commit, pseudonym, salt_of
from ballots.models import Tally
from meetings.agenda_text import canonical
from meetings.models import ConcertParty, Insider, Recusal


def log_tally(tally: Tally) -> None:
    """Promise the opening of a tally to the log, in its own transaction."""
    lists = lists_document(tally.meeting_id)
    opening = commit(*salt_and_record(tally, lists=lists, totals=totals_document(tally)))
    sequencer.queue(tally.meeting_id, [(Kind.TALLY, tally.pk, opening)])


def salt_and_record(tally: Tally, *, lists: bytes, totals: bytes) -> tuple[bytes, bytes]:
    """What opens the commitment of a tally that was counted by these lists with these totals."""
    record = records.tally(
        origin_of(tally.meeting_id),
        version=tally.version,
        lists=hashlib.sha256(lists).digest(),
        totals=hashlib.sha256(totals).digest(),
        asked_by=tally.asked_by,
        opened_by=tally.counted_by,
        at=tally.counted_at,
    )
    return salt_of(tally.meeting_id, Kind.TALLY, tally.pk), record


def lists_document(meeting_id: int) -> bytes:
    """lists.json: who must not vote, who is an insider, who acts in concert."""
    recusals: dict[str, set[str]] = {}
    concert: dict[str, set[str]] = {}
    found = Recusal.objects.filter(motion__meeting=meeting_id, holder_id__isnull=False)
    for recusal in found.select_related("motion"):
        _add(recusals, recusal.motion.number, recusal.holder_id, meeting_id)
    parties = ConcertParty.objects.filter(meeting=meeting_id, holder_id__isnull=False)
    for group, holder in parties.values_list("group", "holder_id"):
        _add(concert, str(group), holder, meeting_id)
    insiders = Insider.objects.filter(meeting=meeting_id, holder_id__isnull=False)
    return canonical(
        {
            "format": "ballot-log/v1 lists",
            "recusals": {number: sorted(voters) for number, voters in recusals.items()},
            "insiders": sorted(
                {pseudonym(i.holder_id, meeting_id) for i in insiders if i.holder_id}
            ),
            "concert_parties": {group: sorted(voters) for group, voters in concert.items()},
        }
    )


def totals_document(tally: Tally) -> bytes:
    """totals.json: attendance and motions of the result, what the votes must add up to."""
    content = json.loads(json.dumps(tally.content))
    for motion in content["motions"].values():
        motion.pop("invalid_ballots", None)
        motion["excluded"] = sorted(
            (_excluded(listed, tally.meeting_id) for listed in motion["excluded"]),
            key=lambda excluded: (excluded["voter"], excluded["reason"]),
        )
    parts = {name: content[name] for name in ("attendance", "motions")}
    return canonical({"format": "ballot-log/v1 totals", **parts})


def _excluded(listed: dict[str, Any], meeting_id: int) -> dict[str, Any]:
    voter = pseudonym(listed["holder"], meeting_id)
    return {"voter": voter, "reason": listed["reason"], "votes": listed["votes"]}


def _add(
    groups: dict[str, set[str]], name: str, holder_id: int | None, meeting_id: int
) -> None:
    if holder_id:
        groups.setdefault(name, set()).add(pseudonym(holder_id, meeting_id))

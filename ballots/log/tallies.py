"""The opening of the tally in the log: which lists it was counted by and what came out.

Holders stand under their pseudonyms, so both documents can be handed to an auditor.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from ballots.log import records, sequencer
from ballots.log.ballots import origin_of
from ballots.log.commitment import Kind, commit, pseudonym, salt_of
from ballots.models import Tally
from meetings.agenda_text import canonical
from meetings.models import ConcertParty, Insider, ListedHolder, Recusal
from voting_portal.common import ids


def log_tally(tally: Tally) -> None:
    """Promise the opening of a tally to the log, in its own transaction."""
    opening = commit(*salt_and_record(tally))
    sequencer.queue(tally.meeting_id, [(Kind.TALLY, tally.pk, opening)])


def salt_and_record(tally: Tally) -> tuple[bytes, bytes]:
    """What opens the commitment of the opening of a tally."""
    record = records.tally(
        origin_of(tally.meeting_id),
        version=tally.version,
        lists=hashlib.sha256(tally.lists).digest(),
        totals=hashlib.sha256(totals_document(tally)).digest(),
        asked_by=tally.asked_by,
        opened_by=tally.counted_by,
        at=tally.counted_at,
    )
    return salt_of(tally.meeting_id, Kind.TALLY, tally.pk), record


def lists_document(meeting_id: int) -> bytes:
    """lists.json: who must not vote, who is an insider, who acts in concert."""
    recusals = Recusal.objects.filter(motion__meeting=meeting_id).select_related("motion")
    insiders = Insider.objects.filter(meeting=meeting_id)
    parties = ConcertParty.objects.filter(meeting=meeting_id)
    by_motion, by_group = defaultdict(list), defaultdict(list)
    for recusal in recusals:
        by_motion[recusal.motion.number].append(recusal)
    for party in parties:
        by_group[str(party.group)].append(party)
    return canonical(
        {
            "format": "ballot-log/v1 lists",
            "recusals": {number: _voters(listed) for number, listed in by_motion.items()},
            "insiders": _voters(insiders),
            "concert_parties": {group: _voters(listed) for group, listed in by_group.items()},
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


def _voters(listed: Iterable[ListedHolder]) -> list[str]:
    """Whom a list names, once each; accounts that are not on the register are left out."""
    holders = {holder.holder_id for holder in listed if holder.holder_id}
    return sorted(pseudonym(holder, ids.meeting_of(holder)) for holder in holders)

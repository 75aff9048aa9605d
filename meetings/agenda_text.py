"""The agenda as one text (docs/ballot-log.md, section 4): its hash binds what a holder voted on."""

from __future__ import annotations

import json
from datetime import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meetings.agenda import Agenda, DocumentPaper, MotionPaper


def written(agenda: Agenda) -> bytes:
    """All that is frozen when holders are invited, and nothing that changes later."""
    policies = {
        **agenda.policies,
        "onsite_vote_start": agenda.onsite_vote_start,
        "closing_price": agenda.closing_price,
    }
    return canonical(
        {
            "format": "ballot-log/v1 agenda",
            "meeting": {
                "id": agenda.meeting_id,
                "issuer": agenda.issuer_name,
                "security_code": agenda.security_code,
                "title": agenda.title,
                "meeting_date": agenda.meeting_date.isoformat(),
                "record_date": agenda.record_date.isoformat(),
                "is_rehearsal": agenda.is_rehearsal,
            },
            "policies": {name: _plain(value) for name, value in policies.items()},
            "share_classes": [
                {
                    "number": share_class.number,
                    "code": share_class.code,
                    "capital": share_class.capital,
                    "voteless_shares": share_class.voteless_shares,
                    "votes_per_share": share_class.votes_per_share,
                }
                for share_class in agenda.share_classes
            ],
            "motions": [_motion(motion) for motion in agenda.motions],
            "documents": [_document(document) for document in agenda.documents],
        }
    )


def canonical(content: dict[str, Any]) -> bytes:
    """JSON of which there is one form only: keys sorted, no blanks, UTF-8."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def _plain(value: Any) -> Any:
    """A policy's value as JSON has it: decimals and times of day as text."""
    if isinstance(value, time):
        return value.isoformat("seconds")
    return str(value) if isinstance(value, Decimal) else value


def _motion(motion: MotionPaper) -> dict[str, Any]:
    return {
        "number": motion.number,
        "title": motion.title,
        "kind": motion.kind,
        "threshold": motion.threshold,
        "share_classes": sorted(motion.share_classes),
        "seats": motion.seats,
        "candidates": [{"number": c.number, "name": c.name} for c in motion.candidates],
        "documents": [_document(document) for document in motion.documents],
        "is_for_minority_count": motion.is_for_minority_count,
        "is_dividend": motion.is_dividend,
        "exclusive_group": motion.exclusive_group,
        "has_dual_threshold": motion.has_dual_threshold,
        "has_class_threshold": motion.has_class_threshold,
        "is_one_share_one_vote": motion.is_one_share_one_vote,
        "proposer": motion.proposer,
        "proposer_name": motion.proposer_name,
        "board_opinion": motion.board_opinion,
    }


def _document(document: DocumentPaper) -> dict[str, Any]:
    return {"title": document.title, "size": document.size, "sha256": document.sha256}

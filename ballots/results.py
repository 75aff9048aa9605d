"""The result (表决结果): what follows from the counts by the rules, and the act of taking it.

The document that `result_of` makes is what is stored, shown, downloaded and compared with in tests:

    {"attendance": {"holders", "votes", "ratio", "classes": {"A": the same three}},
     "motions": {"1.00": {"classes": {"A": figures}, "total": figures, "excluded", "outcome"},
                 "4.00": {"candidates": {"4.01": {"votes", "ratio", "elected", "tie"}}, "present",
                          "seats", "elected", "shortfall", "excluded"}}}

Figures are for, against, abstain in votes and their percentages. Whether a motion carried is
decided from whole numbers, never from a printed percentage.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from ballots import percentages
from ballots.models import Tally
from ballots.tally import Counts, Excluded, MotionCount, Opinions, count_ballots
from meetings import lifecycle
from meetings.agenda import Agenda, MotionPaper, read_agenda
from meetings.models import Meeting, ShareClass

# Preferred shares are counted apart; these are added up as 普通股合计.
ORDINARY_CLASSES = (ShareClass.Code.A, ShareClass.Code.B, ShareClass.Code.SVR)


class NotClosed(Exception):
    """Nothing is counted before the polls are sealed: no figure, for nobody."""


@transaction.atomic
def tally_meeting(meeting_id: int, *, by: str, now: datetime) -> Tally:
    """Count the ballots of a closed meeting once and keep the result; NotClosed before that."""
    meeting = Meeting.objects.get(pk=meeting_id)
    if meeting.polls_sealed_at is None:
        raise NotClosed
    lifecycle.advance(
        meeting_id, Meeting.State.TALLIED, since=[Meeting.State.CLOSED], by=by, now=now
    )
    return Tally.objects.create(
        meeting=meeting, content=recount(meeting_id), counted_by=by, counted_at=now
    )


def recount(meeting_id: int) -> dict[str, Any]:
    """The result from the ballots as they stand (复核计票); NotClosed before the seal."""
    if Meeting.objects.get(pk=meeting_id).polls_sealed_at is None:
        raise NotClosed
    agenda = read_agenda(meeting_id)
    return result_of(agenda, count_ballots(agenda))


def result_of(agenda: Agenda, counts: Counts) -> dict[str, Any]:
    """Apply the meeting's rules to the counts."""
    rule = _Rule(agenda)
    return {
        "meeting": {
            "id": agenda.meeting_id,
            "security_code": agenda.security_code,
            "issuer": agenda.issuer_name,
            "title": agenda.title,
            "date": agenda.meeting_date.isoformat(),
            "is_rehearsal": agenda.is_rehearsal,
        },
        "policies": {
            "ordinary_threshold": agenda.ordinary_threshold,
            "pct_policy": agenda.pct_policy,
        },
        "attendance": rule.attendance(counts),
        "motions": {
            motion.number: rule.election(motion, counts.motions[motion.number])
            if motion.is_cumulative
            else rule.plain(motion, counts.motions[motion.number])
            for motion in agenda.motions
            if not motion.is_heading
        },
    }


class _Rule:
    """The rules of one meeting: its multiples, its thresholds, its way of printing."""

    def __init__(self, agenda: Agenda) -> None:
        self.classes = {c.code: c for c in agenda.share_classes}
        self.policy = agenda.pct_policy
        self.half_is_enough = agenda.ordinary_threshold == "GE_HALF"

    def attendance(self, counts: Counts) -> dict[str, Any]:
        votes = {code: self._votes(code, n) for code, n in counts.shares_by_class.items()}
        base = {
            code: self._votes(code, c.capital - c.voteless_shares)
            for code, c in self.classes.items()
        }
        classes = {
            code: {
                "holders": counts.holders_by_class.get(code, 0),
                "votes": votes.get(code, 0),
                "ratio": percentages.ratio(votes.get(code, 0), base[code], self.policy),
            }
            for code in self.classes
        }
        present = sum(votes.get(code, 0) for code in ORDINARY_CLASSES)
        entitled = sum(base.get(code, 0) for code in ORDINARY_CLASSES)
        return {
            "holders": counts.holders,
            "votes": present,
            "ratio": percentages.ratio(present, entitled, self.policy),
            "classes": classes,
        }

    def plain(self, motion: MotionPaper, count: MotionCount) -> dict[str, Any]:
        by_class = {
            code: self._in_votes(code, count.opinions[code])
            for code in self.classes
            if code in motion.share_classes
        }
        total = _sum(by_class[code] for code in ORDINARY_CLASSES if code in by_class)
        bodies = [total] if motion.share_classes & set(ORDINARY_CLASSES) else []
        bodies += [n for code, n in by_class.items() if code not in ORDINARY_CLASSES]
        carried = bool(bodies) and all(self._carries(motion, body) for body in bodies)
        return {
            "classes": {code: self._figures(opinions) for code, opinions in by_class.items()},
            "total": self._figures(total),
            "excluded": [self._excluded(excluded) for excluded in count.excluded],
            "outcome": "passed" if carried else "rejected",
        }

    def election(self, motion: MotionPaper, count: MotionCount) -> dict[str, Any]:
        present = sum(self._votes(code, o.present) for code, o in count.opinions.items())
        votes = {c.number: count.candidates[c.number] for c in motion.candidates}
        elected, tied = _elect(votes, motion.seats, present)
        return {
            "candidates": {
                number: {
                    "votes": given,
                    "ratio": percentages.ratio(given, present, self.policy),
                    "elected": number in elected,
                    "tie": number in tied,
                }
                for number, given in votes.items()
            },
            "present": present,
            "seats": motion.seats,
            "elected": len(elected),
            "shortfall": motion.seats - len(elected),
            "excluded": [self._excluded(excluded) for excluded in count.excluded],
        }

    def _carries(self, motion: MotionPaper, body: Opinions) -> bool:
        """过半数 of an ordinary resolution is strict unless the articles say otherwise; two thirds
        of a special one includes the bound. Abstentions stand in the base of both."""
        if not body.present:
            return False
        if motion.is_special:
            return 3 * body.for_ >= 2 * body.present
        if self.half_is_enough:
            return 2 * body.for_ >= body.present
        return 2 * body.for_ > body.present

    def _votes(self, code: str, shares: int) -> int:
        return shares * self.classes[code].votes_per_share

    def _in_votes(self, code: str, opinions: Opinions) -> Opinions:
        return Opinions(
            present=self._votes(code, opinions.present),
            for_=self._votes(code, opinions.for_),
            against=self._votes(code, opinions.against),
        )

    def _figures(self, opinions: Opinions) -> dict[str, Any]:
        counts = (opinions.for_, opinions.against, opinions.abstain)
        names = ("for", "against", "abstain")
        percents = percentages.row(counts, self.policy)
        return {
            **dict(zip(names, counts, strict=True)),
            **{f"{name}_pct": pct for name, pct in zip(names, percents, strict=True)},
        }

    def _excluded(self, excluded: Excluded) -> dict[str, Any]:
        return {
            "holder": excluded.holder_id,
            "reason": excluded.reason,
            "votes": self._votes(excluded.share_class, excluded.shares),
        }


def _sum(parts: Iterable[Opinions]) -> Opinions:
    total = Opinions()
    for part in parts:
        total.present += part.present
        total.for_ += part.for_
        total.against += part.against
    return total


def _elect(votes: dict[str, int], seats: int, present: int) -> tuple[set[str], set[str]]:
    """Who is elected and who ties for the last seats.

    A candidate needs more than half of the votes present, not multiplied by seats, and a rank
    within the seats. When candidates with equal votes do not all fit into the seats left, none of
    them and nobody after them is elected.
    """
    elected: set[str] = set()
    above = {number: given for number, given in votes.items() if 2 * given > present}
    for given in sorted(set(above.values()), reverse=True):
        equal = {number for number, votes_of in above.items() if votes_of == given}
        if len(elected) + len(equal) > seats:
            return elected, equal if len(elected) < seats else set()
        elected |= equal
    return elected, set()

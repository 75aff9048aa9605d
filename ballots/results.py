"""The result (表决结果): what follows from the counts by the rules.

The document that `result_of` makes is what is stored, shown, downloaded and compared with in tests:

    {"attendance": {"holders", "votes", "ratio", "classes": {"A": the same three}},
     "motions": {"1.00": {"classes": {"A": figures}, "total": figures, "minority": figures,
                          "segments": {"ge5": figures, ...}, "excluded", "outcome"},
                 "4.00": {"candidates": {"4.01": {"votes", "ratio", "elected", "tie"}}, "present",
                          "seats", "elected", "shortfall", "invalid_ballots", "excluded",
                          "minority": {"present", "candidates": {"4.01": {"votes", "ratio"}}}}},
     "superseded": [{"channel", "seq", "motion"}]}

opening.py adds the files taken in and the names of recused holders: `"imports": [{"channel", ...}],
"recusals": {"2.00": ["name", ...]}`.

Figures are for, against, abstain in votes and their percentages. Whether a motion carried is
decided from whole numbers, never from a printed percentage.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ballots import percentages
from ballots.effective import ORDINARY_CLASSES
from ballots.tally import Body, Counts, Excluded, Opinions
from meetings.agenda import Agenda, MotionPaper
from meetings.models import ShareClass

# The rows of 现金分红分段表决情况, and the segments that they add up.
SEGMENTS = {
    "ge5": ("ge5",),
    "1to5": ("1to5",),
    "lt1": ("lt1_small", "lt1_large"),
    "lt1_small": ("lt1_small",),
    "lt1_large": ("lt1_large",),
}


def result_of(agenda: Agenda, counts: Counts) -> dict[str, Any]:
    """Apply the meeting's rules to the counts."""
    rule = _Rule(agenda, counts)
    motions = {
        motion.number: rule.election(motion) if motion.is_cumulative else rule.plain(motion)
        for motion in agenda.motions
        if not motion.is_heading
    }
    _find_conflicts(agenda, motions)
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
            **agenda.policies,
            "onsite_vote_start": agenda.onsite_vote_start.isoformat(),
            "closing_price": None if agenda.closing_price is None else str(agenda.closing_price),
        },
        "attendance": rule.attendance(),
        "motions": motions,
        "superseded": counts.superseded,
    }


class _Rule:
    """The rules of one meeting: its multiples, its thresholds, its way of printing."""

    def __init__(self, agenda: Agenda, counts: Counts) -> None:
        self.classes = {c.code: c for c in agenda.share_classes}
        self.counts = counts
        self.policy = agenda.policies["pct_policy"]
        self.half_is_enough = agenda.policies["ordinary_threshold"] == "GE_HALF"
        self.half_elects = agenda.policies["election_threshold"] == "GE_HALF"

    def attendance(self) -> dict[str, Any]:
        """Who is present with how many votes, of all votes that could be (E6, G1)."""
        votes, holders = dict.fromkeys(self.classes, 0), dict.fromkeys(self.classes, 0)
        for body in self.counts.bodies:
            multiple = self.classes[body.share_class].votes_per_share
            votes[body.share_class] += body.shares * multiple
            holders[body.share_class] += body.holders
        base = {
            code: (c.capital - c.voteless_shares) * c.votes_per_share
            for code, c in self.classes.items()
        }
        present = sum(votes.get(code, 0) for code in ORDINARY_CLASSES)
        entitled = sum(base.get(code, 0) for code in ORDINARY_CLASSES)
        return {
            "holders": self.counts.holders,
            "votes": present,
            "ratio": percentages.ratio(present, entitled, self.policy),
            "classes": {
                code: {
                    "holders": holders[code],
                    "votes": votes[code],
                    "ratio": percentages.ratio(votes[code], base[code], self.policy),
                }
                for code in self.classes
            },
        }

    def plain(self, motion: MotionPaper) -> dict[str, Any]:
        """One motion for, against, abstain: by class, in total, and by the counts kept apart."""
        by_class = {
            code: self._sum(motion, _of_class(code))
            for code in self.classes
            if code in motion.share_classes
        }
        total = self._sum(motion, _is_ordinary)
        minority = self._sum(motion, _is_minority)
        result: dict[str, Any] = {
            "classes": {code: self._figures(opinions) for code, opinions in by_class.items()},
            "total": self._figures(total),
        }
        if motion.has_minority_count:
            result["minority"] = self._figures(minority)
        if motion.is_dividend:
            result["segments"] = {
                name: self._figures(self._sum(motion, _of_segment(parts)))
                for name, parts in SEGMENTS.items()
            }
        bodies = [total] if motion.share_classes & set(ORDINARY_CLASSES) else []
        bodies += [n for code, n in by_class.items() if code not in ORDINARY_CLASSES]
        carried = (
            bool(bodies)
            and all(self._carries(motion, body) for body in bodies)
            and (not motion.has_dual_threshold or _has_two_thirds(minority))
            and (not motion.has_class_threshold or all(map(_has_two_thirds, by_class.values())))
        )
        result["excluded"] = self._excluded(motion)
        result["outcome"] = "passed" if carried else "rejected"
        return result

    def election(self, motion: MotionPaper) -> dict[str, Any]:
        """A cumulative motion: the base is who is present and entitled, not times seats (C6), or by
        a policy who of them voted in this group."""
        everybody = self._sum(motion, lambda _body: True).present
        votes = self._candidates(motion, lambda _body: True)
        elected, tied = self._elect(votes, motion.seats, everybody)
        result: dict[str, Any] = {
            "candidates": {
                number: {
                    "votes": given,
                    "ratio": percentages.ratio(given, everybody, self.policy),
                    "elected": number in elected,
                    "tie": number in tied,
                }
                for number, given in votes.items()
            },
            "present": everybody,
            "seats": motion.seats,
            "elected": len(elected),
            "shortfall": motion.seats - len(elected),
            "invalid_ballots": self.counts.invalid.get(motion.number, []),
            "excluded": self._excluded(motion),
        }
        if motion.has_minority_count:
            present = self._sum(motion, _is_minority).present
            result["minority"] = {
                "present": present,
                "candidates": {
                    number: {
                        "votes": given,
                        "ratio": percentages.ratio(given, present, self.policy),
                    }
                    for number, given in self._candidates(motion, _is_minority).items()
                },
            }
        return result

    def _sum(self, motion: MotionPaper, condition: Callable[[Body], bool]) -> Opinions:
        """Opinions of these bodies in votes."""
        total = Opinions()
        for body in self.counts.bodies:
            if motion.number in body.opinions and condition(body):
                total.add(body.opinions[motion.number], times=self._multiple(motion, body))
        return total

    def _candidates(self, motion: MotionPaper, condition: Callable[[Body], bool]) -> dict[str, int]:
        bodies = [body for body in self.counts.bodies if condition(body)]
        return {
            c.number: sum(body.candidates.get(c.number, 0) for body in bodies)
            for c in motion.candidates
        }

    def _carries(self, motion: MotionPaper, body: Opinions) -> bool:
        """过半数 of an ordinary resolution is strict unless the articles say otherwise; two thirds
        of a special one includes the bound. Abstentions stand in the base of both (T1 to T3)."""
        if motion.is_special:
            return _has_two_thirds(body)
        if self.half_is_enough:
            return 0 < body.present <= 2 * body.for_
        return 2 * body.for_ > body.present

    def _elect(
        self, votes: Mapping[str, int], seats: int, present: int
    ) -> tuple[set[str], set[str]]:
        """Who is elected and who ties for the last seats (C7, C8).

        A candidate needs more than half of the votes present, not multiplied by seats, and a rank
        within the seats. When candidates with equal votes do not all fit into the seats left, none
        of them and nobody after them is elected.
        """
        above = {
            number: given
            for number, given in votes.items()
            if 2 * given > present or (self.half_elects and 2 * given == present and present)
        }
        elected: set[str] = set()
        for given in sorted(set(above.values()), reverse=True):
            equal = {number for number, votes_of in above.items() if votes_of == given}
            if len(elected) + len(equal) > seats:
                return elected, equal if len(elected) < seats else set()
            elected |= equal
        return elected, set()

    def _multiple(self, motion: MotionPaper, subject: Body | Excluded) -> int:
        return motion.multiple(self.classes[subject.share_class].votes_per_share)

    def _figures(self, opinions: Opinions) -> dict[str, Any]:
        counts = (opinions.for_, opinions.against, opinions.abstain)
        names = ("for", "against", "abstain")
        percents = percentages.row(counts, self.policy)
        return {
            **dict(zip(names, counts, strict=True)),
            **{f"{name}_pct": pct for name, pct in zip(names, percents, strict=True)},
        }

    def _excluded(self, motion: MotionPaper) -> list[dict[str, Any]]:
        """Holders whose vote on this motion is in vain, with the votes of all classes that cast."""
        votes: dict[tuple[int, str], int] = {}
        for excluded in self.counts.excluded.get(motion.number, ()):
            key = excluded.holder_id, excluded.reason
            given = excluded.shares * self._multiple(motion, excluded)
            votes[key] = votes.get(key, 0) + given
        return [
            {"holder": holder, "reason": reason, "votes": given}
            for (holder, reason), given in votes.items()
        ]


def _is_ordinary(body: Body) -> bool:
    return body.share_class in ORDINARY_CLASSES


def _is_minority(body: Body) -> bool:
    return _is_ordinary(body) and body.is_minority


def _of_class(code: str) -> Callable[[Body], bool]:
    return lambda body: body.share_class == code


def _of_segment(parts: Collection[str]) -> Callable[[Body], bool]:
    """Holders of A shares of one of these sizes (P7)."""
    return lambda body: body.share_class == ShareClass.Code.A and body.segment in parts


def _has_two_thirds(body: Opinions) -> bool:
    return body.present > 0 and 3 * body.for_ >= 2 * body.present


def _find_conflicts(agenda: Agenda, motions: Mapping[str, dict[str, Any]]) -> None:
    """Of motions on one matter that both pass none wins by itself (X7)."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for motion in agenda.motions:
        if motion.exclusive_group and motions[motion.number]["outcome"] == "passed":
            groups.setdefault(motion.exclusive_group, []).append(motions[motion.number])
    for passed in _several(groups.values()):
        for result in passed:
            result["outcome"] = "conflict"


def _several(groups: Iterable[list[dict[str, Any]]]) -> Iterable[list[dict[str, Any]]]:
    return (group for group in groups if len(group) > 1)

"""The result (表决结果): what follows from the counts by the rules, judged from whole numbers.

`result_of` is laid out as the announced result is, so that the two are compared figure by figure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ballot_verifier import percentages
from ballot_verifier.agenda import OPINIONS, Agenda, Motion
from ballot_verifier.counting import Counts, Kind

SEGMENTS = {
    "ge5": {"ge5"},
    "1to5": {"1to5"},
    "lt1": {"lt1_small", "lt1_large"},
    "lt1_small": {"lt1_small"},
    "lt1_large": {"lt1_large"},
}
Condition = Callable[[Kind], bool]


@dataclass(frozen=True)
class Votes:
    """Votes for and against of all who are in the base; the rest abstains."""

    present: int
    agreed: int
    against: int

    @property
    def abstained(self) -> int:
        return self.present - self.agreed - self.against

    @property
    def has_two_thirds(self) -> bool:
        return self.present > 0 and self.agreed * 3 >= self.present * 2


def result_of(agenda: Agenda, counts: Counts) -> dict[str, Any]:
    """Attendance and motions as they must have been announced."""
    result = _Result(agenda, counts)
    motions = {
        number: result.election(motion) if motion.is_cumulative else result.plain(motion)
        for number, motion in agenda.motions.items()
    }
    for group in agenda.exclusive_groups():
        passed = [number for number in group if motions[number].get("outcome") == "passed"]
        for number in passed if len(passed) > 1 else ():
            motions[number]["outcome"] = "conflict"
    return {"attendance": result.attendance(), "motions": motions}


class _Result:
    def __init__(self, agenda: Agenda, counts: Counts) -> None:
        self.agenda, self.counts, self.policy = agenda, counts, str(agenda.policies["pct_policy"])

    def attendance(self) -> dict[str, Any]:
        """Holders and votes present, in per cent of all votes of shares that have one."""
        by_class: dict[str, Any] = {}
        all_votes = all_present = 0
        for code, share_class in self.agenda.classes.items():
            sums = [one for kind, one in self.counts.sums.items() if kind[0] == code]
            present = sum(one.shares for one in sums) * share_class.votes_per_share
            entitled = share_class.capital - share_class.voteless_shares
            base = entitled * share_class.votes_per_share
            by_class[code] = {
                "holders": sum(one.heads for one in sums),
                "votes": present,
                "ratio": percentages.of_base(present, base, policy=self.policy),
            }
            if share_class.is_ordinary:
                all_votes, all_present = all_votes + base, all_present + present
        ratio = percentages.of_base(all_present, all_votes, policy=self.policy)
        return {
            "holders": self.counts.heads,
            "votes": all_present,
            "ratio": ratio,
            "classes": by_class,
        }

    def plain(self, motion: Motion) -> dict[str, Any]:
        """A motion answered with 同意, 反对 or 弃权."""
        by_class = {
            code: self._votes(motion, lambda kind, code=code: kind[0] == code)  # type: ignore[misc]
            for code in self.agenda.classes
            if code in motion.classes
        }
        total = self._votes(motion, self._is_ordinary)
        result: dict[str, Any] = {
            "classes": {code: self._figures(votes) for code, votes in by_class.items()},
            "total": self._figures(total),
        }
        minority = self._votes(motion, self._is_minority)
        if motion.has_minority_count:
            result["minority"] = self._figures(minority)
        if motion.is_dividend:
            result["segments"] = {
                name: self._figures(
                    self._votes(
                        motion,
                        lambda kind, parts=parts: kind[0] == "A" and kind[2] in parts,  # type: ignore[misc]
                    )
                )
                for name, parts in SEGMENTS.items()
            }
        apart = {c: v for c, v in by_class.items() if not self.agenda.classes[c].is_ordinary}
        bodies = [*apart.values()]
        if len(apart) < len(by_class):
            bodies.append(total)
        is_carried = bool(bodies) and all(self._carries(motion, votes) for votes in bodies)
        if motion.has_dual_threshold and not minority.has_two_thirds:
            is_carried = False
        if motion.has_class_threshold and not all(v.has_two_thirds for v in by_class.values()):
            is_carried = False
        result["excluded"] = self._excluded(motion)
        result["outcome"] = "passed" if is_carried else "rejected"
        return result

    def election(self, motion: Motion) -> dict[str, Any]:
        """A group of candidates: elected by more than half of the base, within the seats.

        Candidates with equal votes who do not all fit into the seats left are not elected, nor is
        anybody after them.
        """
        present = self._votes(motion, lambda _kind: True).present
        given = self._candidates(motion, lambda _kind: True)
        elected, tied = self._elect(motion, given, present)
        result: dict[str, Any] = {
            "candidates": {
                number: {
                    "votes": votes,
                    "ratio": percentages.of_base(votes, present, policy=self.policy),
                    "elected": number in elected,
                    "tie": number in tied,
                }
                for number, votes in given.items()
            },
            "present": present,
            "seats": motion.seats,
            "elected": len(elected),
            "shortfall": motion.seats - len(elected),
            "excluded": self._excluded(motion),
        }
        if motion.has_minority_count:
            present = self._votes(motion, self._is_minority).present
            result["minority"] = {
                "present": present,
                "candidates": {
                    number: {
                        "votes": votes,
                        "ratio": percentages.of_base(votes, present, policy=self.policy),
                    }
                    for number, votes in self._candidates(motion, self._is_minority).items()
                },
            }
        return result

    def _elect(
        self, motion: Motion, given: dict[str, int], present: int
    ) -> tuple[set[str], set[str]]:
        half_is_enough = self.agenda.policies["election_threshold"] == "GE_HALF" and present > 0
        elected: set[str] = set()
        for votes in sorted(set(given.values()), reverse=True):
            if not (2 * votes > present or (half_is_enough and 2 * votes == present)):
                break
            equal = {number for number in given if given[number] == votes}
            if len(elected) + len(equal) > motion.seats:
                return elected, equal if len(elected) < motion.seats else set()
            elected |= equal
        return elected, set()

    def _carries(self, motion: Motion, votes: Votes) -> bool:
        if motion.is_special:
            return votes.has_two_thirds
        if self.agenda.policies["ordinary_threshold"] == "GE_HALF":
            return votes.present > 0 and votes.agreed * 2 >= votes.present
        return votes.agreed * 2 > votes.present

    def _votes(self, motion: Motion, condition: Condition) -> Votes:
        """Votes of holders of these kinds whose class votes on the motion."""
        present = agreed = against = 0
        for kind, sums in self.counts.sums.items():
            if kind[0] in motion.classes and condition(kind):
                times = motion.votes_of(self.agenda.classes[kind[0]])
                present += times * (sums.shares - sums.left_out.get(motion.number, 0))
                agreed += times * sums.said.get((motion.number, "FOR"), 0)
                against += times * sums.said.get((motion.number, "AGAINST"), 0)
        return Votes(present, agreed, against)

    def _candidates(self, motion: Motion, condition: Condition) -> dict[str, int]:
        """Votes by candidate, as they were given."""
        kinds = [k for k in self.counts.sums if k[0] in motion.classes and condition(k)]
        return {
            number: sum(self.counts.sums[kind].said.get((number, ""), 0) for kind in kinds)
            for number in motion.candidates
        }

    def _figures(self, votes: Votes) -> dict[str, Any]:
        numbers = (votes.agreed, votes.against, votes.abstained)
        names = [opinion.lower() for opinion in OPINIONS]
        percents = percentages.of_row(numbers, policy=self.policy)
        figures: dict[str, Any] = dict(zip(names, numbers, strict=True))
        return figures | {f"{name}_pct": pct for name, pct in zip(names, percents, strict=True)}

    def _excluded(self, motion: Motion) -> list[dict[str, Any]]:
        return [
            {"voter": voter, "reason": reason, "votes": votes}
            for (number, voter, reason), votes in self.counts.excluded.items()
            if number == motion.number
        ]

    def _is_ordinary(self, kind: Kind) -> bool:
        return self.agenda.classes[kind[0]].is_ordinary

    def _is_minority(self, kind: Kind) -> bool:
        return self._is_ordinary(kind) and kind[1]

"""The agenda (议程) and the policies of one meeting, as far as votes are counted by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from ballot_verifier.policies import Policies

ORDINARY = frozenset({"A", "B", "SVR"})  # added up as 普通股合计; preferred shares stand apart
OPINIONS = ("FOR", "AGAINST", "ABSTAIN")


@dataclass(frozen=True)
class ShareClass:
    """A class of shares (股份类别) with its capital in shares."""

    code: str
    capital: int
    voteless_shares: int = 0
    votes_per_share: int = 1

    @property
    def is_ordinary(self) -> bool:
        return self.code in ORDINARY


@dataclass(frozen=True)
class Motion:
    """A motion (议案); `candidates` are their numbers, `classes` those that vote on it."""

    number: str
    kind: str  # PLAIN, CUMULATIVE, HEADING
    classes: frozenset[str]
    title: str = ""
    is_special: bool = False
    seats: int = 0
    candidates: tuple[str, ...] = ()
    is_counted_for_minority: bool = False
    is_dividend: bool = False
    exclusive_group: str = ""
    has_dual_threshold: bool = False
    has_class_threshold: bool = False
    is_one_share_one_vote: bool = False

    @property
    def is_cumulative(self) -> bool:
        return self.kind == "CUMULATIVE"

    @property
    def has_minority_count(self) -> bool:
        return self.is_counted_for_minority or self.has_dual_threshold

    def is_answered_by(self, choice: str | Mapping[str, int]) -> bool:
        """Whether this is something that the motion can be answered with at all."""
        if isinstance(choice, str):
            return not self.is_cumulative
        return choice.keys() <= set(self.candidates if self.is_cumulative else OPINIONS)

    def votes_of(self, share_class: ShareClass) -> int:
        """What one share counts on this motion: some are one share, one vote."""
        return 1 if self.is_one_share_one_vote else share_class.votes_per_share

    def limit(self, share_class: ShareClass, shares: int) -> int:
        """The votes that may be spread over the candidates of a group (累积投票)."""
        return shares * self.votes_of(share_class) * self.seats


@dataclass(frozen=True)
class Agenda:
    """What is put to the vote, without headings, and the meeting's policies."""

    classes: Mapping[str, ShareClass]
    motions: Mapping[str, Motion]  # in the order of the agenda
    meeting_date: date
    policies: Policies
    is_rehearsal: bool = False  # 演练: its polls may have any hours
    closing_price: Fraction | None = None  # yuan
    facts: Mapping[str, str] = field(default_factory=dict)  # for the head of the report

    def votable(self, share_class: str) -> list[Motion]:
        """The motions on which a class votes."""
        return [motion for motion in self.motions.values() if share_class in motion.classes]

    def ordinary_shares(self, shares: Mapping[str, int]) -> int:
        """Shares of a holder of all ordinary classes."""
        return sum(number for code, number in shares.items() if code in ORDINARY)

    @property
    def polls(self) -> tuple[str, str]:
        """The hours of the polls (投票时段) as records write times: from 9:15 to 15:00 in Beijing,
        which is 8 hours ahead, or from 15:00 of the day before (预投票)."""
        opening, close = f"{self.meeting_date}T01:15:00", f"{self.meeting_date}T07:00:00"
        if self.policies["prevote"] == "ON":
            opening = f"{self.meeting_date - timedelta(days=1)}T07:00:00"
        return f"{opening}.000000Z", f"{close}.000000Z"

    @property
    def sizes_matter(self) -> bool:
        """Whether anything is counted by how much a holder has."""
        return any(m.has_minority_count or m.is_dividend for m in self.motions.values())

    def exclusive_groups(self) -> list[list[str]]:
        """Numbers of motions on one matter (互斥), a list a group."""
        groups: dict[str, list[str]] = {}
        for motion in self.motions.values():
            if motion.exclusive_group:
                groups.setdefault(motion.exclusive_group, []).append(motion.number)
        return list(groups.values())

"""Which votes count (有效表决) and what they add up to, holder by holder, in whole shares.

Most holders have one ballot of the portal and nothing else to consider: `add_ballot` adds it to the
sums at once. Whoever must be looked at is kept until all votes are known: nominees, voteless and
recused holders, insiders, concert parties, holders of 1 % or more, and who voted elsewhere, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ballot_verifier.agenda import Agenda
from ballot_verifier.judging import Choice, Holder, Judgement, Vote
from ballot_verifier.sizes import Bounds

POLICY_OF_INVALID = {
    "OVER_LIMIT": "cumulative_overflow",
    "TOO_MANY_CANDIDATES": "cumulative_too_many_candidates",
}
ABSTAIN = "ABSTAIN"

# Class, whether minority, segment of size: holders who are the same for every count.
Kind = tuple[str, bool, str]
# A choice as it counts: None holds its place with nothing in it, a group without votes abstains.
Place = Choice | None


def _zeros() -> dict[Any, int]:
    return defaultdict(int)


@dataclass
class Sums:
    """Of holders of one kind: heads, shares, and shares or votes by what was said.

    `said` is by motion and opinion, or by candidate's number and ""; `left_out` are shares that are
    no part of a motion's base.
    """

    heads: int = 0
    shares: int = 0
    said: dict[tuple[str, str], int] = field(default_factory=_zeros)
    left_out: dict[str, int] = field(default_factory=_zeros)

    def add(self, shares: int, choices: Mapping[str, Place], left_out: Iterable[str]) -> None:
        """Add one holder who is present with so many shares."""
        self.heads += 1
        self.shares += shares
        for number, choice in choices.items():
            if isinstance(choice, str):
                self.said[number, choice] += shares
            elif choice:
                for name, votes in choice.items():
                    is_opinion = name.isalpha()
                    self.said[(number, name) if is_opinion else (name, "")] += votes
        for number in left_out:
            self.left_out[number] += shares

    def join(self, other: Sums) -> None:
        """Add holders of the same kind who were counted elsewhere."""
        self.heads += other.heads
        self.shares += other.shares
        for answer, number in other.said.items():
            self.said[answer] += number
        for motion, shares in other.left_out.items():
            self.left_out[motion] += shares


@dataclass
class Counts:
    """Everything that was counted."""

    sums: dict[Kind, Sums] = field(default_factory=dict)
    heads: int = 0  # holders with ordinary shares present, each once
    # Votes that were cast in vain, of all classes, by motion, holder and reason.
    excluded: dict[tuple[str, Hashable, str], int] = field(default_factory=dict)
    superseded: int = 0  # parts of votes that an earlier vote beat (重复表决)

    def exclude(self, motion: str, holder: Hashable, reason: str, votes: int) -> None:
        """Note votes of a holder who must not vote on a motion."""
        key = motion, holder, reason
        self.excluded[key] = self.excluded.get(key, 0) + votes

    def join(self, other: Counts) -> None:
        """Add what was counted of other holders."""
        for kind, sums in other.sums.items():
            self.sums.setdefault(kind, Sums()).join(sums)
        self.heads += other.heads
        self.excluded |= other.excluded
        self.superseded += other.superseded


@dataclass(slots=True)
class _Cast:
    """A vote with what is left of it."""

    vote: Vote
    shares: int
    places: Mapping[str, Place]
    is_admitted: bool = False


class Count:
    """The count of a meeting, or of some of its holders with all their votes.

    `insiders` (董监高), but by a policy, and `concert`, members of groups that are large together
    (一致行动人), are no minority holders whatever they have themselves.
    """

    def __init__(
        self,
        agenda: Agenda,
        *,
        insiders: Collection[Hashable] = (),
        concert: Collection[Hashable] = (),
    ) -> None:
        self.agenda = agenda
        self.bounds = Bounds.of(agenda)
        self.sums: dict[Kind, Sums] = defaultdict(Sums)
        is_by_size = agenda.policies["sm_threshold"] == "GE_5"
        self._large = frozenset(concert if is_by_size else {*insiders, *concert})
        self._holders: dict[Hashable, Holder] = {}
        self._cast: dict[Hashable, dict[str, list[_Cast]]] = {}

    def add_ballot(self, name: Hashable, holder: Holder, vote: Vote) -> None:
        """Add a ballot of the portal of a holder who is looked at."""
        spoken = holder.shares[vote.share_class] if vote.declared is None else vote.declared
        self._keep(name, holder, _Cast(vote, spoken, vote.choices))

    def add_other(self, name: Hashable, holder: Holder, vote: Vote, judged: Judgement) -> None:
        """Add a vote of another channel as it was judged; one that counts for nothing is left."""
        if judged.effect == "NOTHING":
            return
        places = {} if judged.effect == "ADMITTED" else dict(self._places(vote, judged))
        spoken = holder.shares[vote.share_class]
        if holder.is_nominee and vote.declared is not None:
            spoken = vote.declared
        is_admitted = vote.channel == "ONSITE" and judged.effect != "LISTED"
        self._keep(name, holder, _Cast(vote, spoken, places, is_admitted))

    def plain_sums(self, share_class: str, *, is_small: bool) -> Sums:
        """The sums of holders of whom nothing is to be considered but the shares of this class: on
        no list, no other vote, below 1 %; `is_small` below 500,000 yuan."""
        return self.sums[share_class, True, "lt1_small" if is_small else "lt1_large"]

    def without_part(self, choices: Mapping[str, Place], *, is_admitted: bool = False) -> set[str]:
        """Motions of whose base who is present with these choices is no part, by the policies:
        elections without a valid vote of it, plain motions that it did not vote on.

        Who was admitted on site abstains on those in any case: a blank paper is an abstention.
        """
        policies = self.agenda.policies
        voters_only = policies["cumulative_base"] == "VOTED_SHARES"
        answers_only = policies["partial_missing_as"] == "ABSENT" and not is_admitted
        return {
            motion.number
            for motion in self.agenda.motions.values()
            if (voters_only if motion.is_cumulative else answers_only)
            and choices.get(motion.number) is None
        }

    def finish(self, *, plain_heads: int = 0) -> Counts:
        """Settle who is looked at and add them up; `plain_heads` are the others with ordinary
        shares, each once."""
        counts = Counts(self.sums, plain_heads)
        for name, by_class in self._cast.items():
            present = [
                self.agenda.classes[share_class].is_ordinary
                for share_class, cast in by_class.items()
                if self._settle(name, share_class, cast, counts)
            ]
            counts.heads += any(present)
        return counts

    def _settle(self, name: Hashable, share_class: str, cast: list[_Cast], counts: Counts) -> bool:
        """Add what a holder said with one class to the counts; whether it is present."""
        holder = self._holders[name]
        cast.sort(key=lambda one: one.vote.rank)
        choices, firsts = self._first_of_each(cast)
        counts.superseded += sum(len(one.places) for one in cast) - len(firsts)
        self._judge_exclusive(holder, choices, firsts)
        shares = self._present_shares(holder, cast, choices)
        for number, reason in _barred(holder, choices):
            times = self.agenda.motions[number].votes_of(self.agenda.classes[share_class])
            counts.exclude(number, name, reason, shares * times)
        says = any(choice is not None for choice in choices.values())
        is_admitted = any(one.is_admitted for one in cast)
        if holder.kind == "V" or not (says or is_admitted):
            return False
        kind = share_class, self._is_minority(name, holder), self._segment(holder)
        said = {n: c for n, c in choices.items() if n not in holder.recused}
        left_out = holder.recused | self.without_part(said, is_admitted=is_admitted)
        self.sums[kind].add(shares, said, left_out)
        return True

    def _keep(self, name: Hashable, holder: Holder, cast: _Cast) -> None:
        self._holders[name] = holder
        self._cast.setdefault(name, {}).setdefault(cast.vote.share_class, []).append(cast)

    def _is_minority(self, name: Hashable, holder: Holder) -> bool:
        is_small = self.agenda.ordinary_shares(holder.shares) < self.bounds.not_minority
        return is_small and name not in self._large

    def _segment(self, holder: Holder) -> str:
        ordinary = self.agenda.ordinary_shares(holder.shares)
        if ordinary >= self.bounds.one_percent:
            return "ge5" if ordinary >= self.bounds.five_percent else "1to5"
        return "lt1_small" if holder.shares.get("A", 0) < self.bounds.not_small else "lt1_large"

    def _places(self, vote: Vote, judged: Judgement) -> Iterator[tuple[str, Place]]:
        """What a vote claims: an invalid group holds its place, unless the policy is otherwise, or
        abstains."""
        policies = self.agenda.policies
        for number, choice in vote.choices.items():
            reason = judged.invalid.get(number)
            if reason is None:
                yield number, choice
            elif reason == "NOT_OF_CLASS":
                continue
            elif policies[POLICY_OF_INVALID[reason]] == "ABSTAIN":
                yield number, {}
            elif policies["invalid_occupies_slot"]:
                yield number, None

    def _judge_exclusive(
        self, holder: Holder, choices: dict[str, Place], firsts: Mapping[str, int]
    ) -> None:
        """What becomes of agreeing to several motions on one matter over all votes (互斥)."""
        policy = self.agenda.policies["exclusive_policy"]
        if holder.kind in {"N", "V"} or policy == "AS_CAST":
            return
        for group in self.agenda.exclusive_groups():
            numbers = [n for n in group if n in choices and n not in holder.recused]
            agreed = [number for number in numbers if choices[number] == "FOR"]
            if len(agreed) < 2:
                continue
            if policy == "INVALID_ALL":
                for number in numbers:
                    del choices[number]
                continue
            kept = None
            if policy == "FIRST_AGREE":
                kept = min(agreed, key=lambda number: firsts[number])
                numbers = agreed
            choices.update({number: ABSTAIN for number in numbers if number != kept})

    def _first_of_each(self, cast: list[_Cast]) -> tuple[dict[str, Place], dict[str, int]]:
        """The first vote on each motion, and which of the list it was; the others came too late."""
        choices: dict[str, Place] = {}
        firsts: dict[str, int] = {}
        for turn, one in enumerate(cast):
            for number in self._unbeaten(one, firsts):
                choices[number], firsts[number] = one.places[number], turn
        return choices, firsts

    def _unbeaten(self, one: _Cast, taken: Collection[str]) -> list[str]:
        """What a vote is the first on, after votes that took these places; by a policy it must be
        the first that says anything (整张表决票)."""
        if taken and self.agenda.policies["first_vote_scope"] == "BALLOT":
            return []
        return [number for number in one.places if number not in taken]

    def _present_shares(
        self, holder: Holder, cast: list[_Cast], choices: Mapping[str, Place]
    ) -> int:
        """The holder's shares. A nominee's are those declared in the first vote not wholly beaten,
        and no fewer than it says on any plain motion."""
        if not holder.is_nominee:
            return cast[0].shares
        declared, taken = cast[0].shares, set[str]()
        for one in cast:
            unbeaten = self._unbeaten(one, taken)
            if one.is_admitted or any(one.places[number] is not None for number in unbeaten):
                declared = one.shares
                break
            taken |= one.places.keys()
        motions = self.agenda.motions
        splits = [
            sum(choice.values())
            for number, choice in choices.items()
            if not motions[number].is_cumulative and isinstance(choice, Mapping)
        ]
        return max([declared, *splits])


def _barred(holder: Holder, choices: Mapping[str, Place]) -> Iterator[tuple[str, str]]:
    """Motions on which the holder said something in vain, and why."""
    for number in choices:
        if holder.kind == "V":
            yield number, "VOTELESS"
        elif number in holder.recused:
            yield number, "RECUSED"

"""What the rules make of one vote by itself: the faults of a ballot, the flags of other channels.

A ballot of the portal must be without fault, or the portal should have refused it. Votes of other
channels (其他渠道) are taken whatever they break; flags say what is left of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ballot_verifier.agenda import Agenda, Motion

# By motion: an opinion, shares by opinion from a nominee, votes by candidate for a group.
Choice = str | Mapping[str, int]
# Hours of the other platforms on the meeting's day in UTC, both ends closed; Beijing is 8 ahead.
HOURS = {
    "TRADING": (("01:15", "01:25"), ("01:30", "03:30"), ("05:00", "07:00")),
    "INTERNET": (("01:15", "07:00"),),
}
VOID = frozenset({"NOT_A_NOMINEE", "OVER_HOLDING", "SUM_MISMATCH"})
FLAGS = (
    "NOT_ON_REGISTER",
    "NO_VOTES",
    "NOT_A_NOMINEE",
    "OVER_HOLDING",
    "SUM_MISMATCH",
    "OVER_LIMIT",
    "TOO_MANY_CANDIDATES",
    "EXCLUSIVE",
    "NOT_OF_CLASS",
    "RECUSED",
    "OUTSIDE_WINDOW",
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who stands on the register, with shares by class."""

    kind: str  # I, O: votes as one; N: nominee (名义持有人), splits; V: voteless (无表决权)
    shares: Mapping[str, int]
    recused: frozenset[str] = frozenset()

    @property
    def is_nominee(self) -> bool:
        return self.kind == "N"


@dataclass(frozen=True, slots=True)
class Vote:
    """What a holder said once with one class of shares.

    `at` is a UTC time as records write it (texts of one length sort like times), `index` the place
    in the log.
    """

    channel: str  # LINK, TRADING, INTERNET, ONSITE
    share_class: str
    at: str
    seq: int
    index: int
    choices: Mapping[str, Choice]
    declared: int | None = None

    @property
    def rank(self) -> tuple[str, int, bool, int]:
        """Which of a holder's votes is the first: to the millisecond, then by number; the portal's
        own before others, and the place in the log at last."""
        return self.at[:23], self.seq, self.channel != "LINK", self.index


@dataclass(frozen=True, slots=True)
class Judgement:
    """Flags in their order, groups that are invalid with the reason, and what the vote is good for:
    COUNTS, NOTHING, ADMITTED (present, says nothing) or LISTED (a voteless holder's)."""

    flags: tuple[str, ...]
    effect: str
    invalid: Mapping[str, str] = field(default_factory=dict)


def faults_of_ballot(agenda: Agenda, holder: Holder, vote: Vote) -> list[tuple[str, str]]:
    """Why the portal should have refused this ballot: (motion or "", reason), none if it is whole.

    The rules of 表决票 in the order in which they are written: a holder with votes, every plain
    motion answered, splits that add up to the declared shares, groups within their limit, one of
    motions that exclude each other.
    """
    shares = holder.shares.get(vote.share_class, 0)
    motions = agenda.votable(vote.share_class)
    if not shares or not motions or holder.kind == "V":
        return [("", "NO_VOTES")]
    if all(motion.number in holder.recused for motion in motions):
        return [("", "RECUSED_ONLY")]
    faults = [
        (number, "NOT_OF_CLASS")
        for number in vote.choices
        if number not in agenda.motions or vote.share_class not in agenda.motions[number].classes
    ]
    if not faults:
        faults = [
            (number, "UNKNOWN_CHOICE")
            for number, choice in vote.choices.items()
            if not agenda.motions[number].is_answered_by(choice)
        ]
    if faults:
        return faults
    if not holder.is_nominee and (vote.declared is not None or _has_split(motions, vote)):
        faults.append(("", "NOT_A_NOMINEE"))
    if holder.is_nominee and vote.declared is None:
        faults.append(("", "INCOMPLETE"))
    if (vote.declared or 0) > shares:
        faults.append(("", "OVER_HOLDING"))
    if not any(
        choice if isinstance(choice, str) else any(choice.values())
        for choice in vote.choices.values()
    ):
        faults.append(("", "INCOMPLETE"))
    for motion in motions:
        faults += _faults_of_motion(agenda, holder, vote, motion)
    if not holder.is_nominee:
        faults += [(numbers[0], "EXCLUSIVE") for numbers in _agreed_twice(agenda, holder, vote)]
    return faults


def judge_other_vote(agenda: Agenda, holder: Holder | None, vote: Vote) -> Judgement:
    """Every rule that a vote of another channel breaks, and what is left of it."""
    late = [] if _is_in_hours(agenda, vote) else ["OUTSIDE_WINDOW"]
    if holder is None:
        return Judgement(("NOT_ON_REGISTER", *late), "NOTHING")
    if not holder.shares.get(vote.share_class):
        return Judgement(("NO_VOTES", *late), "NOTHING")
    if holder.kind == "V":
        return Judgement(("NO_VOTES", *late), "LISTED")
    invalid = dict(_invalid_parts(agenda, holder, vote))
    found = {*late, *invalid.values(), *_faults_of_standing(agenda, holder, vote)}
    if not holder.is_nominee and any(_agreed_twice(agenda, holder, vote)):
        found.add("EXCLUSIVE")
    if holder.recused & vote.choices.keys():
        found.add("RECUSED")
    effect = "COUNTS"
    if found & VOID:
        is_admitted = vote.channel == "ONSITE" and not holder.is_nominee
        effect = "ADMITTED" if is_admitted else "NOTHING"
    return Judgement(tuple(flag for flag in FLAGS if flag in found), effect, invalid)


def _faults_of_motion(
    agenda: Agenda, holder: Holder, vote: Vote, motion: Motion
) -> Iterator[tuple[str, str]]:
    choice = vote.choices.get(motion.number)
    if motion.is_cumulative:
        reason = _fault_of_group(agenda, holder, vote, motion)
        if reason:
            yield motion.number, reason
    elif choice is None:
        if motion.number not in holder.recused:
            yield motion.number, "INCOMPLETE"
    elif holder.is_nominee and not _is_whole_split(agenda, choice, vote.declared):
        yield motion.number, "SUM_MISMATCH"


def _fault_of_group(agenda: Agenda, holder: Holder, vote: Vote, motion: Motion) -> str:
    """Why the votes of a cumulative group are invalid; an empty word when they are not."""
    choice = vote.choices.get(motion.number, {})
    if isinstance(choice, str):
        return "INCOMPLETE"
    speaks_for = holder.shares[vote.share_class] if vote.declared is None else vote.declared
    if sum(choice.values()) > motion.limit(agenda.classes[vote.share_class], speaks_for):
        return "OVER_LIMIT"
    named = sum(1 for votes in choice.values() if votes)
    is_contested = len(motion.candidates) > motion.seats
    is_limited = agenda.policies["cumulative_too_many_candidates"] != "AS_CAST"
    if is_limited and vote.declared is None and is_contested and named > motion.seats:
        return "TOO_MANY_CANDIDATES"
    return ""


def _invalid_parts(agenda: Agenda, holder: Holder, vote: Vote) -> Iterator[tuple[str, str]]:
    for number in vote.choices:
        motion = agenda.motions.get(number)
        if motion is None or vote.share_class not in motion.classes:
            yield number, "NOT_OF_CLASS"
        elif motion.is_cumulative:
            reason = _fault_of_group(agenda, holder, vote, motion)
            if reason:
                yield number, reason


def _faults_of_standing(agenda: Agenda, holder: Holder, vote: Vote) -> Iterator[str]:
    """What only nominees may do, and what they must: declare and split what they declare."""
    motions = agenda.votable(vote.share_class)
    if not holder.is_nominee:
        if vote.declared is not None or _has_split(motions, vote):
            yield "NOT_A_NOMINEE"
        return
    if (vote.declared or 0) > holder.shares[vote.share_class]:
        yield "OVER_HOLDING"
    if vote.declared is None or not all(
        _is_whole_split(agenda, vote.choices[motion.number], vote.declared)
        for motion in motions
        if not motion.is_cumulative and motion.number in vote.choices
    ):
        yield "SUM_MISMATCH"


def _is_whole_split(agenda: Agenda, choice: Choice, declared: int | None) -> bool:
    """Whether a nominee's shares by opinion are all that it declared or, by a policy, no more: what
    is left then abstains."""
    if isinstance(choice, str) or declared is None:
        return False
    said = sum(choice.values())
    if agenda.policies["nominee_sum_rule"] == "AT_MOST_DECLARED":
        return said <= declared
    return said == declared


def _agreed_twice(agenda: Agenda, holder: Holder, vote: Vote) -> Iterator[list[str]]:
    """Motions on one matter of which the vote agrees to more than one (互斥)."""
    for numbers in agenda.exclusive_groups():
        agreed = [
            number
            for number in numbers
            if vote.choices.get(number) == "FOR"
            and number not in holder.recused
            and vote.share_class in agenda.motions[number].classes
        ]
        if len(agreed) > 1:
            yield agreed


def _has_split(motions: list[Motion], vote: Vote) -> bool:
    return any(
        not isinstance(vote.choices.get(motion.number, ""), str)
        for motion in motions
        if not motion.is_cumulative
    )


def _is_in_hours(agenda: Agenda, vote: Vote) -> bool:
    hours = HOURS.get(vote.channel)
    day = agenda.meeting_date
    return hours is None or any(
        f"{day}T{first}:00.000000Z" <= vote.at <= f"{day}T{last}:00.000000Z"
        for first, last in hours
    )

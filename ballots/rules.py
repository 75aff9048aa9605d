"""The rules of a ballot on our own page: what is refused before anything is stored.

A refusal has a word (`reason`), the same in the page, the journal and the tests, and a sentence for
the holder. Where a ballot has several faults they are all named, so that one correction is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ballots.models import Opinion
from meetings.agenda import MotionPaper

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from ballots.models import Ballot

# By motion number: an opinion ("FOR"), or for a cumulative motion votes by candidate number.
Choices = Mapping[str, str | Mapping[str, int]]


class CannotCast(Exception):
    """Nothing was recorded; `reason` is the word and `message` the sentence for the holder."""

    reason = ""
    message: StrOrPromise = gettext_lazy("您的表决没有记录。")

    def __str__(self) -> str:
        return self.reason


class TooEarly(CannotCast):
    reason = "TOO_EARLY"
    message = gettext_lazy("投票尚未开始。")


class TooLate(CannotCast):
    reason = "TOO_LATE"
    message = gettext_lazy("投票已经截止。")


class NotTaken(CannotCast):
    """The meeting is in a state in which no ballots are taken: not yet invited, or called off."""

    reason = "NOT_TAKEN"
    message = gettext_lazy("本次会议目前不接受投票。")


class NoVotes(CannotCast):
    reason = "NO_VOTES"
    message = gettext_lazy("您名下没有这一类有表决权的股份。")


class RecusedOnly(CannotCast):
    reason = "RECUSED_ONLY"
    message = gettext_lazy("您须对本次会议的全部议案回避表决。")


class AlreadyCast(CannotCast):
    """The first ballot stands (重复表决以第一次投票结果为准); it comes with the refusal."""

    reason = "ALREADY_VOTED"
    message = gettext_lazy("您已经投过票,以第一次投票结果为准。")

    def __init__(self, ballot: Ballot) -> None:
        super().__init__()
        self.ballot = ballot


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a ballot; `motion` is its number, or blank for the whole ballot."""

    motion: str
    reason: str
    message: str


class BadBallot(CannotCast):
    """The ballot breaks a rule; `faults` in the order of the agenda, `reason` the gravest one."""

    ORDER = ("INCOMPLETE", "OVER_LIMIT", "TOO_MANY_CANDIDATES")

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__()
        self.faults = tuple(faults)
        self.reason = min((fault.reason for fault in faults), key=self.ORDER.index)


def check_choices(
    *,
    motions: Sequence[MotionPaper],
    shares: int,
    votes_per_share: int,
    recused: frozenset[str],
    choices: Choices,
) -> None:
    """Raise BadBallot unless these choices are a whole ballot for these motions.

    `motions` are those on which the class votes. Every plain motion that is not recused needs an
    opinion. A cumulative one may be left, but takes no more votes than shares x votes a share x
    seats, on no more candidates than seats when the election is contested. A choice on something
    that is not on the paper is a programming error of the page: ValueError.
    """
    known = {motion.number for motion in motions}
    if unknown := choices.keys() - known:
        raise ValueError(f"no such motion on this paper: {sorted(unknown)}")
    faults = list(_faults(motions, shares * votes_per_share, recused, choices))
    if not faults and not any(_says_something(choice) for choice in choices.values()):
        faults.append(Fault("", "INCOMPLETE", _("请至少对一项议案表决。")))
    if faults:
        raise BadBallot(faults)


def available_votes(motion: MotionPaper, votes: int) -> int:
    """What a holder of so many votes may spread over the candidates of a group."""
    return votes * motion.seats


def normal_choices(choices: Choices) -> dict[str, str | dict[str, int]]:
    """As a ballot stores them: candidates without votes and groups without candidates left out."""
    normal: dict[str, str | dict[str, int]] = {}
    for number, choice in choices.items():
        if isinstance(choice, str):
            normal[number] = choice
        elif given := {candidate: votes for candidate, votes in choice.items() if votes}:
            normal[number] = given
    return normal


def _faults(
    motions: Iterable[MotionPaper], votes: int, recused: frozenset[str], choices: Choices
) -> Iterator[Fault]:
    for motion in motions:
        choice = choices.get(motion.number)
        if motion.is_cumulative:
            yield from _faults_of_group(motion, votes, choice)
        elif choice is not None and choice not in Opinion.values:
            raise ValueError(f"no such opinion on {motion.number}")
        elif choice is None and motion.number not in recused:
            words = {"number": motion.number, "title": motion.title}
            message = _("请对议案%(number)s“%(title)s”选择同意、反对或弃权。") % words
            yield Fault(motion.number, "INCOMPLETE", message)


def _faults_of_group(
    motion: MotionPaper, votes: int, choice: str | Mapping[str, int] | None
) -> Iterator[Fault]:
    if choice is None:
        return
    if isinstance(choice, str):
        raise ValueError(f"{motion.number} takes votes by candidate, not an opinion")
    if choice.keys() - {candidate.number for candidate in motion.candidates}:
        raise ValueError(f"no such candidate in {motion.number}")
    if min(choice.values(), default=0) < 0:
        raise ValueError(f"negative votes in {motion.number}")
    given, limit = sum(choice.values()), available_votes(motion, votes)
    if given > limit:
        words = {"number": motion.number, "given": f"{given:,}", "limit": f"{limit:,}"}
        message = _("议案%(number)s投出%(given)s票,超过您可用的%(limit)s票。") % words
        yield Fault(motion.number, "OVER_LIMIT", message)
    named = sum(1 for count in choice.values() if count)
    if motion.is_contested and named > motion.seats:
        words = {"number": motion.number, "named": str(named), "seats": str(motion.seats)}
        message = _("议案%(number)s为差额选举,最多投给%(seats)s人,您投给了%(named)s人。") % words
        yield Fault(motion.number, "TOO_MANY_CANDIDATES", message)


def _says_something(choice: str | Mapping[str, int]) -> bool:
    return isinstance(choice, str) or any(choice.values())

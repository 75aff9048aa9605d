"""The rules of a ballot on our own page: what is refused before anything is stored.

A refusal has a word (`reason`), the same in the page, the journal and the tests, and a sentence for
the holder. Where a ballot has several faults they are all named, so that one correction is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ballots.models import Opinion
from meetings.agenda import MotionPaper

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from ballots.models import Ballot

# By motion number: an opinion ("FOR"), for a cumulative motion votes by candidate number, and from
# a nominee shares by opinion ({"FOR": 3200000, "AGAINST": 1500000, "ABSTAIN": 300000}).
Choice = str | Mapping[str, int]
Choices = Mapping[str, Choice]
Policies = Mapping[str, Any]  # of the meeting, by name
EQUAL = "EQUAL_DECLARED"

OPINIONS = frozenset(Opinion.values)


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


class NotVerified(CannotCast):
    reason = "NOT_VERIFIED"
    message = gettext_lazy("您的持股须经证券公司或实名核验后才能投票。")


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
    """The ballot breaks a rule; `faults` as the agenda goes, `reason` the first one of ORDER."""

    ORDER = (
        "NOT_A_NOMINEE",
        "OVER_HOLDING",
        "INCOMPLETE",
        "SUM_MISMATCH",
        "OVER_LIMIT",
        "TOO_MANY_CANDIDATES",
        "EXCLUSIVE",
    )

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
    policies: Policies,
    is_nominee: bool = False,
    declared: int | None = None,
) -> None:
    """Raise BadBallot unless these choices are a whole ballot for these motions.

    `motions` are those on which the class votes, `shares` what the holder has of it. Every plain
    motion that is not recused needs an opinion; a nominee's says instead how many of the
    `declared` shares are for, against and abstain. A cumulative one may be left, but takes no more
    votes than shares x votes a share x seats (a nominee's: of declared shares), on no more
    candidates than seats when the election is contested. One ballot agrees to one motion of an
    exclusive group. `policies` are the meeting's. A choice on something that is not on the paper is
    a programming error of the page: ValueError.
    """
    known = {motion.number: motion for motion in motions}
    if unknown := choices.keys() - known.keys():
        raise ValueError(f"no such motion on this paper: {sorted(unknown)}")
    for number, choice in choices.items():
        check_shape(known[number], choice)
    faults = []
    if not is_nominee and (declared is not None or has_split(motions, choices)):
        message = _("只有名义持有人可以填报受托股份数或拆分表决。")
        raise BadBallot([Fault("", "NOT_A_NOMINEE", message)])
    if declared is not None and declared > shares:
        words = {"declared": f"{declared:,}", "shares": f"{shares:,}"}
        message = _("受托股份数%(declared)s超过您登记持有的%(shares)s股。") % words
        faults.append(Fault("", "OVER_HOLDING", message))
    if is_nominee and declared is None:
        faults.append(Fault("", "INCOMPLETE", _("请填写受托股份数。")))
    faults.extend(_missing(motions, recused, choices, is_nominee=is_nominee))
    if not faults and not any(_says_something(choice) for choice in choices.values()):
        faults.append(Fault("", "INCOMPLETE", _("请至少对一项议案表决。")))
    speaks_for = shares if declared is None else declared
    for motion in motions:
        said = choices.get(motion.number)
        if said is not None:
            limit = available_votes(motion, shares=speaks_for, votes_per_share=votes_per_share)
            faults.extend(
                faults_of_choice(motion, said, policies=policies, declared=declared, limit=limit)
            )
    if not is_nominee:
        faults.extend(faults_of_groups(motions, recused, choices))
    if faults:
        order = ["", *known]
        raise BadBallot(sorted(faults, key=lambda fault: order.index(fault.motion)))


def available_votes(motion: MotionPaper, *, shares: int, votes_per_share: int) -> int:
    """What a holder of so many shares may spread over the candidates of a group."""
    return shares * motion.multiple(votes_per_share) * motion.seats


def most_candidates(motion: MotionPaper, *, policies: Policies, is_nominee: bool) -> int:
    """How many candidates one ballot may give votes to (C4): in a contested election as many as
    there are seats, but for nominees, who vote for many, and where a policy sets no limit."""
    policy = policies["cumulative_too_many_candidates"]
    is_limited = motion.is_contested and not is_nominee and policy != "AS_CAST"
    return motion.seats if is_limited else len(motion.candidates)


def normal_choices(choices: Choices) -> dict[str, str | dict[str, int]]:
    """As votes are stored: candidates without votes and groups without candidates left out.

    A group without a vote above 0 is not voted; a split says all that it says, zeros too.
    """
    normal: dict[str, str | dict[str, int]] = {}
    for number, choice in choices.items():
        if isinstance(choice, str):
            normal[number] = choice
        elif choice.keys() & OPINIONS:
            normal[number] = {opinion: choice.get(opinion, 0) for opinion in Opinion.values}
        elif given := {candidate: votes for candidate, votes in choice.items() if votes}:
            normal[number] = given
    return normal


def check_shape(motion: MotionPaper, choice: Choice) -> None:
    """ValueError unless the choice is something that this motion can be answered with."""
    if isinstance(choice, str):
        if motion.is_cumulative:
            raise ValueError(f"{motion.number} takes votes by candidate, not an opinion")
        if choice not in OPINIONS:
            raise ValueError(f"no such opinion on {motion.number}")
        return
    known = {c.number for c in motion.candidates} if motion.is_cumulative else OPINIONS
    if choice.keys() - known:
        raise ValueError(f"no such candidate or opinion in {motion.number}")
    if min(choice.values(), default=0) < 0:
        raise ValueError(f"negative votes in {motion.number}")


def has_split(motions: Sequence[MotionPaper], choices: Choices) -> bool:
    """Whether shares are split over the opinions of some plain motion, as nominees may."""
    plain = {motion.number for motion in motions if not motion.is_cumulative}
    return any(not isinstance(choices[number], str) for number in plain & choices.keys())


def faults_of_choice(
    motion: MotionPaper, choice: Choice, *, policies: Policies, declared: int | None, limit: int
) -> Iterator[Fault]:
    """What the numbers of one choice break: N4 for a split, C3 and C4 for a group.

    `limit` is what may be spread over candidates. Only nominees have `declared` shares.
    """
    if isinstance(choice, str):
        return
    words, given = {"number": motion.number}, sum(choice.values())
    if not motion.is_cumulative:
        if declared is not None and breaks_sum_rule(given, declared, policies=policies):
            words |= {"given": f"{given:,}", "declared": f"{declared:,}"}
            message = (
                _("议案%(number)s各项合计%(given)s股，不等于受托股份数%(declared)s股。") % words
            )
            yield Fault(motion.number, "SUM_MISMATCH", message)
        return
    if given > limit:
        words |= {"given": f"{given:,}", "limit": f"{limit:,}"}
        message = _("议案%(number)s投出%(given)s票，超过您可用的%(limit)s票。") % words
        yield Fault(motion.number, "OVER_LIMIT", message)
    named = sum(1 for count in choice.values() if count)
    if named > most_candidates(motion, policies=policies, is_nominee=declared is not None):
        words |= {"named": str(named), "seats": str(motion.seats)}
        message = _("议案%(number)s为差额选举，最多投给%(seats)s人，您投给了%(named)s人。") % words
        yield Fault(motion.number, "TOO_MANY_CANDIDATES", message)


def breaks_sum_rule(given: int, declared: int, *, policies: Policies) -> bool:
    """Whether a nominee splits other than what it declared (N4); by a policy it may leave some of
    it, which then abstains."""
    return given > declared or (given < declared and policies["nominee_sum_rule"] == EQUAL)


def faults_of_groups(
    motions: Iterable[MotionPaper], recused: frozenset[str], choices: Choices
) -> Iterator[Fault]:
    """One vote agrees to two motions on the same matter (互斥, X5); recused ones do not count."""
    agreed: dict[str, list[str]] = {}
    for motion in motions:
        if motion.exclusive_group and motion.number not in recused:
            numbers = agreed.setdefault(motion.exclusive_group, [])
            if choices.get(motion.number) == Opinion.FOR:
                numbers.append(motion.number)
    for numbers in agreed.values():
        if len(numbers) > 1:
            words = {"numbers": "、".join(numbers)}
            message = _("议案%(numbers)s为同一事项的不同方案，只能同意其中一项。") % words
            yield from (Fault(number, "EXCLUSIVE", message) for number in numbers)


def _missing(
    motions: Iterable[MotionPaper],
    recused: frozenset[str],
    choices: Choices,
    *,
    is_nominee: bool,
) -> Iterator[Fault]:
    for motion in motions:
        if motion.is_cumulative or motion.number in recused:
            continue
        choice = choices.get(motion.number)
        if is_nominee and (choice is None or isinstance(choice, str)):
            message = _("请填写议案%(number)s“%(title)s”同意、反对和弃权的股数。")
        elif choice is None:
            message = _("请对议案%(number)s“%(title)s”选择同意、反对或弃权。")
        else:
            continue
        words = {"number": motion.number, "title": motion.title}
        yield Fault(motion.number, "INCOMPLETE", message % words)


def _says_something(choice: Choice) -> bool:
    return isinstance(choice, str) or any(choice.values())

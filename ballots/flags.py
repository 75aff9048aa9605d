"""What an imported vote is flagged with, and what it then counts for (标记).

Votes of other channels are stored whatever rule they break. The words and their order are those of
docs/scenarios.md; the first one that applies is the vote's status.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ballots.models import Channel, OtherVote
from ballots.rules import (
    Choices,
    available_votes,
    breaks_sum_rule,
    faults_of_choice,
    faults_of_groups,
    has_split,
)
from meetings.agenda import Agenda, ClassPaper
from meetings.dates import POLLS_CLOSE, POLLS_OPEN, TRADING_HOURS
from meetings.lifecycle import BEIJING
from meetings.models import Holder

REASONS = (
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
VOID = frozenset({"NOT_A_NOMINEE", "OVER_HOLDING", "SUM_MISMATCH"})
# The hours of the other platforms on the meeting's day, both ends closed (W5, W6).
WINDOWS = {
    Channel.TRADING: TRADING_HOURS,
    Channel.INTERNET: ((POLLS_OPEN, POLLS_CLOSE),),
}
Effect = OtherVote.Effect


@dataclass(frozen=True)
class Standing:
    """The holder behind an account: `shares` of the class that the vote names."""

    holder_id: int
    kind: str
    shares: int
    recused: frozenset[str]


@dataclass(frozen=True)
class Judgement:
    """`reasons` in the order of REASONS, `invalid` groups with their reason."""

    reasons: tuple[str, ...]
    effect: OtherVote.Effect
    invalid: Mapping[str, str] = field(default_factory=dict)


def judge_vote(
    *,
    agenda: Agenda,
    channel: Channel,
    share_class: int,
    at: datetime,
    declared: int | None,
    choices: Choices,
    standing: Standing | None,
) -> Judgement:
    """Every rule that an imported vote breaks, and what is left of it.

    Without an account on the register or shares of the class nothing counts. A voteless holder's
    vote is listed. A vote by the rules of nominees from somebody else, or a nominee's that breaks
    them, is void; on site the holder is present all the same, but for a nominee. A group that
    breaks C3 or C4 is invalid, the rest of the vote counts.
    """
    late = () if _is_in_window(agenda, channel, at) else ("OUTSIDE_WINDOW",)
    if standing is None:
        return Judgement(("NOT_ON_REGISTER", *late), Effect.NOTHING)
    if not standing.shares:
        return Judgement(("NO_VOTES", *late), Effect.NOTHING)
    if standing.kind == Holder.Kind.VOTELESS:
        return Judgement(("NO_VOTES", *late), Effect.LISTED)
    paper = agenda.share_classes[share_class]
    motions = agenda.votable(paper)
    invalid = dict(_invalid_groups(agenda, paper, choices, declared, standing))
    others = choices.keys() - {motion.number for motion in motions}
    invalid |= dict.fromkeys(sorted(others), "NOT_OF_CLASS")
    found = {*_nominee_faults(agenda, paper, declared, choices, standing)}
    found |= {*invalid.values(), *late}
    is_nominee = standing.kind == Holder.Kind.NOMINEE
    if not is_nominee and any(faults_of_groups(motions, standing.recused, choices)):
        found.add("EXCLUSIVE")
    if standing.recused & choices.keys():
        found.add("RECUSED")
    effect = Effect.COUNTS
    if found & VOID:
        is_admitted = channel == Channel.ONSITE and not is_nominee
        effect = Effect.ADMITTED if is_admitted else Effect.NOTHING
    return Judgement(tuple(sorted(found, key=REASONS.index)), effect, invalid)


def _nominee_faults(
    agenda: Agenda,
    paper: ClassPaper,
    declared: int | None,
    choices: Choices,
    standing: Standing,
) -> Iterator[str]:
    """N3 and N4: a nominee declares its shares and splits all of them on every plain motion."""
    motions, policies = agenda.votable(paper), agenda.policies
    if standing.kind != Holder.Kind.NOMINEE:
        if declared is not None or has_split(motions, choices):
            yield "NOT_A_NOMINEE"
        return
    if (declared or 0) > standing.shares:
        yield "OVER_HOLDING"
    for motion in motions:
        choice = choices.get(motion.number)
        if choice is None or motion.is_cumulative:
            continue
        if (
            declared is None
            or isinstance(choice, str)
            or breaks_sum_rule(sum(choice.values()), declared, policies=policies)
        ):
            yield "SUM_MISMATCH"
    if declared is None:
        yield "SUM_MISMATCH"


def _invalid_groups(
    agenda: Agenda,
    paper: ClassPaper,
    choices: Choices,
    declared: int | None,
    standing: Standing,
) -> Iterator[tuple[str, str]]:
    """Groups over the limit (C3) or with too many names (C4), with the first reason of each."""
    shares = standing.shares if declared is None else declared
    for motion in agenda.votable(paper):
        choice = choices.get(motion.number)
        if choice is None or not motion.is_cumulative:
            continue
        limit = available_votes(motion, shares=shares, votes_per_share=paper.votes_per_share)
        for fault in faults_of_choice(
            motion, choice, policies=agenda.policies, declared=declared, limit=limit
        ):
            yield motion.number, fault.reason
            break


def _is_in_window(agenda: Agenda, channel: Channel, at: datetime) -> bool:
    local = at.astimezone(BEIJING)
    windows = WINDOWS.get(channel)
    if windows is None:
        return True
    hour = local.time()
    return local.date() == agenda.meeting_date and any(a <= hour <= b for a, b in windows)

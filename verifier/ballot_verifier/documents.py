"""The documents of a bundle that say what was voted on and by what rules: agenda and lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any, TypeVar

from ballot_verifier.agenda import Agenda, Motion, ShareClass
from ballot_verifier.bundle import Unreadable
from ballot_verifier.policies import Policies, read_policies

MOTION_NUMBER = re.compile(r"[1-9][0-9]{0,3}\.[0-9]{2}", re.ASCII)
PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)
VOTER = re.compile(r"[0-9a-f]{32}", re.ASCII)
FACTS = ("id", "issuer", "security_code", "title", "meeting_date", "record_date")
FLAGS = {
    "is_for_minority_count": "is_counted_for_minority",
    "is_dividend": "is_dividend",
    "has_dual_threshold": "has_dual_threshold",
    "has_class_threshold": "has_class_threshold",
    "is_one_share_one_vote": "is_one_share_one_vote",
}
Value = TypeVar("Value", str, int, bool, list[Any], dict[str, Any])


@dataclass(frozen=True)
class Lists:
    """Holders named by the company, by pseudonym: who must not vote on which motions (回避表决),
    insiders (董监高), and groups that act in concert (一致行动人)."""

    recused: Mapping[str, frozenset[str]] = field(default_factory=dict)  # motions by holder
    insiders: frozenset[str] = frozenset()
    groups: tuple[frozenset[str], ...] = ()

    @property
    def in_concert(self) -> frozenset[str]:
        return frozenset().union(*self.groups)

    @property
    def named(self) -> frozenset[str]:
        return self.insiders | self.in_concert | self.recused.keys()


def read_agenda(document: dict[str, Any]) -> Agenda:
    """The agenda of agenda.json, or Unreadable where it is not written as the format says."""
    where = "agenda.json"
    meeting = _get(document, "meeting", dict, where)
    policies = _get(document, "policies", dict, where)
    classes = [_share_class(value) for value in _get(document, "share_classes", list, where)]
    motions = [_motion(value) for value in _get(document, "motions", list, where)]
    known = {c.code: c for c in classes}
    if not classes or len(known) < len(classes) or len(classes) > 8:
        raise Unreadable(f"{where}: share classes missing, too many or doubled")
    if len({motion.number for motion in motions}) < len(motions):
        raise Unreadable(f"{where}: a motion stands twice")
    if any(motion.classes - known.keys() for motion in motions):
        raise Unreadable(f"{where}: a motion for a class that there is not")
    return Agenda(
        classes=known,
        motions={motion.number: motion for motion in motions if motion.kind != "HEADING"},
        meeting_date=_date(_get(meeting, "meeting_date", str, where)),
        policies=read_policies(policies),
        is_rehearsal=_get(meeting, "is_rehearsal", bool, where),
        closing_price=_price(policies),
        facts={name: str(meeting.get(name, "")) for name in FACTS},
    )


def read_lists(document: dict[str, Any], agenda: Agenda) -> Lists:
    """The lists of lists.json, or Unreadable where it is not written as the format says."""
    where = "lists.json"
    recused: dict[str, set[str]] = {}
    for number, voters in _get(document, "recusals", dict, where).items():
        if number not in agenda.motions:
            raise Unreadable(f"{where}: no such motion as {number[:20]!r}")
        for voter in _voters(voters, where):
            recused.setdefault(voter, set()).add(number)
    groups = _get(document, "concert_parties", dict, where).values()
    return Lists(
        recused={voter: frozenset(numbers) for voter, numbers in recused.items()},
        insiders=_voters(_get(document, "insiders", list, where), where),
        groups=tuple(_voters(group, where) for group in groups),
    )


def _share_class(value: Any) -> ShareClass:
    where = "agenda.json, share_classes"
    return ShareClass(
        code=_get(value, "code", str, where),
        capital=_get(value, "capital", int, where),
        voteless_shares=_get(value, "voteless_shares", int, where),
        votes_per_share=_get(value, "votes_per_share", int, where),
    )


def _motion(value: Any) -> Motion:
    number = _get(value, "number", str, "agenda.json, motions")
    where = f"agenda.json, motion {number[:20]}"
    if not MOTION_NUMBER.fullmatch(number):
        raise Unreadable(f"{where}: no number of a motion")
    kind = _get(value, "kind", str, where)
    threshold = _get(value, "threshold", str, where)
    if kind not in {"PLAIN", "CUMULATIVE", "HEADING"} or threshold not in {"ORDINARY", "SPECIAL"}:
        raise Unreadable(f"{where}: a kind or threshold that is not known")
    candidates = [_get(c, "number", str, where) for c in _get(value, "candidates", list, where)]
    classes = _get(value, "share_classes", list, where)
    if not all(isinstance(code, str) for code in classes):
        raise Unreadable(f"{where}: a class is no text")
    return Motion(
        number=number,
        title=_get(value, "title", str, where),
        kind=kind,
        classes=frozenset(classes),
        is_special=threshold == "SPECIAL",
        seats=_get(value, "seats", int, where),
        candidates=tuple(candidates),
        exclusive_group=_get(value, "exclusive_group", str, where),
        **{ours: _get(value, name, bool, where) for name, ours in FLAGS.items()},
    )


def _date(text: str) -> date:
    try:
        if DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Unreadable("agenda.json: meeting_date is no date")


def _price(policies: Policies) -> Fraction | None:
    price = policies.get("closing_price")
    if price is None:
        return None
    if not isinstance(price, str) or not PRICE.fullmatch(price):
        raise Unreadable("agenda.json: closing_price is no price")
    return Fraction(price)


def _voters(value: Any, where: str) -> frozenset[str]:
    is_list = isinstance(value, list)
    if not is_list or not all(isinstance(v, str) and VOTER.fullmatch(v) for v in value):
        raise Unreadable(f"{where}: not a list of pseudonyms")
    return frozenset(value)


def _get(value: Any, name: str, kind: type[Value], where: str) -> Value:
    found = value.get(name) if isinstance(value, dict) else None
    is_negative = isinstance(found, int) and found < 0
    if type(found) is not kind or is_negative:
        raise Unreadable(f"{where}: {name} is missing or not of its type")
    return found

"""The lines of a ballot paper: what was filled in for one motion, and the names of its fields."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ballots.models import Opinion
from ballots.rules import Fault
from meetings.agenda import CandidatePaper, MotionPaper

MOST_DIGITS = 18
MOST_TYPED = 20  # characters in a field of a paper
DECLARED = "declared"  # the field of the shares that a nominee was entrusted with
# The name of a field of any paper, as the functions below make them.
FIELD = re.compile(r"declared|[mc]-\d{1,3}\.\d\d|s-\d{1,3}\.\d\d-[A-Z]{3,7}")


@dataclass(frozen=True)
class CandidateLine:
    """A candidate with the field as it was filled in."""

    candidate: CandidatePaper
    text: str

    @property
    def name(self) -> str:
        return candidate_field(self.candidate.number)

    @property
    def votes(self) -> int | None:
        """The votes given, 0 for a blank field, None when it is not a whole number."""
        return whole_number(self.text)


@dataclass(frozen=True)
class SplitLine:
    """A nominee's shares for one opinion, as the field was filled in."""

    motion: str
    opinion: Opinion
    text: str

    @property
    def name(self) -> str:
        return split_field(self.motion, self.opinion)

    @property
    def label(self) -> str:
        return str(self.opinion.label)

    @property
    def shares(self) -> int | None:
        """The shares given, 0 for a blank field, None when it is not a whole number."""
        return whole_number(self.text)


@dataclass(frozen=True)
class Line:
    """One motion on the paper with what was filled in and what is wrong with it."""

    motion: MotionPaper
    is_recused: bool
    opinion: str  # blank, or one of Opinion
    candidates: tuple[CandidateLine, ...]
    split: tuple[SplitLine, ...]  # a nominee's, in the place of an opinion
    each: int  # votes a share has on this motion
    available: int  # votes, of a cumulative motion
    most_candidates: int  # that may be given votes
    faults: tuple[Fault, ...]

    @property
    def name(self) -> str:
        return motion_field(self.motion.number)

    @property
    def opinion_label(self) -> str:
        return str(Opinion(self.opinion).label) if self.opinion else ""

    @property
    def options(self) -> list[tuple[str, str, str]]:
        """Value, label and the attribute of the one that is chosen."""
        return [
            (str(o.value), str(o.label), " checked" if o == self.opinion else "") for o in Opinion
        ]

    @property
    def limits_candidates(self) -> bool:
        return self.most_candidates < len(self.candidates)

    @property
    def used(self) -> int:
        return sum(line.votes or 0 for line in self.candidates)

    @property
    def remaining(self) -> int:
        return self.available - self.used

    @property
    def over(self) -> int:
        return -self.remaining

    @property
    def is_counted(self) -> bool:
        """Whether anything was filled in that can be counted."""
        return any(line.text for line in self.candidates)

    @property
    def leaves_votes(self) -> bool:
        """A cumulative motion of which votes would be lost; the review asks about it."""
        return self.motion.is_cumulative and not self.is_recused and self.remaining > 0

    @property
    def given(self) -> list[CandidateLine]:
        return [line for line in self.candidates if line.votes]


def motion_field(number: str) -> str:
    return f"m-{number}"


def candidate_field(number: str) -> str:
    return f"c-{number}"


def split_field(number: str, opinion: str) -> str:
    return f"s-{number}-{opinion}"


def fields_of(motions: Iterable[MotionPaper], *, is_nominee: bool) -> Iterator[str]:
    if is_nominee:
        yield DECLARED
    for motion in motions:
        if is_nominee and not motion.is_cumulative:
            yield from (split_field(motion.number, opinion) for opinion in Opinion.values)
        elif not motion.is_cumulative:
            yield motion_field(motion.number)
        yield from (candidate_field(candidate.number) for candidate in motion.candidates)


def whole_number(text: str) -> int | None:
    """Digits as a phone writes them: full-width ones and separators are understood."""
    plain = unicodedata.normalize("NFKC", text).replace(",", "").replace(" ", "")
    if not plain:
        return 0
    if not (plain.isascii() and plain.isdigit()) or len(plain) > MOST_DIGITS:
        return None
    return int(plain)

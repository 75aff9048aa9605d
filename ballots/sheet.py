"""The printed sheet (空白表决票) under a ballot and its review, drawn once.

Titles, papers, buttons and words are the meeting's; marks, numbers and choices are the holder's and
are put in request by request. A paper that is out of the ordinary (a nominee's, one with recusals,
one with faults) is drawn whole by its template, the same one that the sheet was drawn with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils.translation import get_language

from ballots.lines import Line, motion_field
from ballots.models import Opinion
from ballots.paper import Paper
from ballots.templatetags.figures import separated
from identity.voters import VoterRequest
from meetings.agenda import ClassPaper, MotionPaper
from voting_portal.common import fragments
from voting_portal.common.http import page_context


@dataclass(frozen=True)
class _PrintedLine:
    """A plain motion with marks for the choice; of any other motion one mark for all of it."""

    motion: MotionPaper
    faults: tuple[()] = ()
    split: tuple[()] = ()
    is_recused: bool = False
    leaves_votes: bool = False

    @property
    def name(self) -> str:
        return motion_field(self.motion.number)

    @property
    def place(self) -> str:
        return "" if self.motion.is_plain else fragments.mark(self.name)

    @property
    def options(self) -> list[tuple[str, str, str]]:
        return [
            (str(o.value), str(o.label), fragments.mark(f"{self.name} {o.value}")) for o in Opinion
        ]

    @property
    def opinion(self) -> str:
        return fragments.mark(f"{self.name} opinion")

    @property
    def opinion_label(self) -> str:
        return fragments.mark(f"{self.name} label")


@dataclass(frozen=True)
class _PrintedPaper:
    """A paper of nobody, by the names under which templates ask a `Paper`."""

    share_class: ClassPaper
    entries: list[tuple[MotionPaper | None, _PrintedLine | None]]
    unused: bool
    mark: str = fragments.mark("mark")
    shares: str = fragments.mark("shares")
    speaks_for: str = fragments.mark("shares")
    name_masked: str = fragments.mark("name")
    hidden_fields: str = fragments.mark("fields")
    is_nominee: bool = False
    faults: tuple[()] = ()

    @property
    def lines(self) -> list[_PrintedLine]:
        return [line for _heading, line in self.entries if line is not None]

    @property
    def elections(self) -> list[_PrintedLine]:
        return [line for line in self.lines if line.motion.is_cumulative]

    @property
    def plain(self) -> list[_PrintedLine]:
        return [line for line in self.lines if line.motion.is_plain]


@dataclass(frozen=True)
class _PrintedVoter:
    meeting_id: int
    ends: str = fragments.mark("ends")


def drawn_page(template: str, line_template: str, request: VoterRequest, paper: Paper) -> str:
    """The page that `template` draws of a paper; `line_template` draws what no sheet can hold."""
    context: dict[str, Any] = {"agenda": paper.agenda, "paper": paper, "voter": request.voter}
    if not _is_ordinary(paper):
        return render_to_string(template, context, request)
    words = page_context(request)
    page = fragments.drawn(
        template,
        *(paper.agenda.stamp, paper.share_class.number, bool(paper.unused)),
        *(get_language(), words["is_large"], words["hotline"]),
        draw=lambda: render_to_string(template, words | _printed(paper)),
    )
    values = {
        "mark": paper.mark,
        "shares": separated(paper.shares),
        "fields": paper.hidden_fields,
        "name": paper.name_masked,
        "ends": request.voter.ends,
        "csrf": get_token(request),
        "request_id": str(words["request_id"]),
    }
    for line in paper.lines:
        if line.motion.is_plain:
            values |= _choice(line)
        else:
            values[line.name] = render_to_string(line_template, context | {"line": line})
    return fragments.filled(page, values)


def _is_ordinary(paper: Paper) -> bool:
    return not (paper.is_nominee or paper.faults or paper.entitlement.recused)


def _printed(paper: Paper) -> dict[str, Any]:
    entries: list[tuple[MotionPaper | None, _PrintedLine | None]] = [
        (heading, _PrintedLine(line.motion) if line else None) for heading, line in paper.entries
    ]
    return {
        "agenda": paper.agenda,
        "paper": _PrintedPaper(paper.share_class, entries, bool(paper.unused)),
        "voter": _PrintedVoter(paper.agenda.meeting_id),
        "csrf_token": fragments.mark("csrf"),
        "request_id": fragments.mark("request_id"),
    }


def _choice(line: Line) -> dict[str, str]:
    """A plain motion's marks: on the ballot a ring of three, on the review the opinion."""
    values = {f"{line.name} {value}": checked for value, _label, checked in line.options}
    opinion = {
        f"{line.name} opinion": line.opinion.lower(),
        f"{line.name} label": line.opinion_label,
    }
    return values | opinion

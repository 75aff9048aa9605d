"""The forms in which the result is handed over: to paste, to reckon with, to sign, to read in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from ballots import announcement
from ballots.announcement_docx import as_docx
from ballots.announcement_pdf import as_pdf
from ballots.log.printed import log_document
from ballots.models import Tally
from meetings.agenda import Agenda

OFFICE = "application/vnd.openxmlformats-officedocument"


@dataclass(frozen=True)
class Form:
    """A kind of file, and how the result is written as one."""

    content_type: str
    write: Callable[[Agenda, Tally], bytes]


def as_json(_agenda: Agenda, tally: Tally) -> bytes:
    """The result document itself (results.py), and below it where the ballot log stands."""
    document = {**tally.content, "ballot_log": log_document(tally.meeting_id)}
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


FORMS = {
    "docx": Form(
        f"{OFFICE}.wordprocessingml.document",
        lambda agenda, tally: as_docx(agenda, tally.content),
    ),
    "xlsx": Form(
        f"{OFFICE}.spreadsheetml.sheet",
        lambda agenda, tally: announcement.as_xlsx(agenda, tally.content),
    ),
    "pdf": Form("application/pdf", as_pdf),
    "csv": Form(
        "text/csv; charset=utf-8",
        lambda agenda, tally: announcement.as_csv(agenda, tally.content),
    ),
    "json": Form("application/json", as_json),
}

"""The tables of the announcement as a PDF file to sign: 计票人, 监票人, 律师."""

from __future__ import annotations

import io
from html import escape
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    KeepTogether,
    LongTable,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    TableStyle,
)
from reportlab.platypus import Table as Grid

from ballots.announcement import sections, title_of
from ballots.announcement_form import Cell, Table
from ballots.log.printed import log_note
from ballots.models import Tally
from meetings.agenda import Agenda

FONT = "STSong-Light"  # every reader has it or a like of it; nothing is embedded
MARGIN = 15 * mm
WIDTH = landscape(A4)[0] - 2 * MARGIN
PICTURE = 50 * mm  # the side of a QR code
# A column is as wide as its longest text, within these (in half-width characters).
NARROWEST, WIDEST = 6, 30
FOOT_LENGTH = 80  # characters; a longer reason stands whole on the first page
TEXT = ParagraphStyle("text", fontName=FONT, fontSize=8, leading=11, wordWrap="CJK")
NUMBER = ParagraphStyle("number", TEXT, alignment=TA_RIGHT)
HEADING = ParagraphStyle("heading", TEXT, fontSize=11, leading=16, spaceBefore=10, spaceAfter=4)
TABLE_TITLE = ParagraphStyle("table title", TEXT, spaceBefore=4, spaceAfter=2)
TITLE = ParagraphStyle("title", TEXT, fontSize=14, leading=20, spaceAfter=4)
LINES = [
    ("GRID", (0, 0), (-1, -1), 0.4, colors.black),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ("LEFTPADDING", (0, 0), (-1, -1), 3),
    ("RIGHTPADDING", (0, 0), (-1, -1), 3),
]

pdfmetrics.registerFont(UnicodeCIDFont(FONT))


def as_pdf(agenda: Agenda, tally: Tally) -> bytes:
    """All tables, a place for three signatures, and on every page its number, the meeting and the
    time of the tally (Beijing). The same result gives the same bytes."""
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target,
        pagesize=landscape(A4),
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 5 * mm,
        title=title_of(agenda),
        author=agenda.issuer_name,
        invariant=1,
    )
    counted_at = timezone.localtime(tally.counted_at)
    told = _("计票时间 %(at)s(北京时间)。") % {"at": f"{counted_at:%Y-%m-%d %H:%M:%S}"}
    if tally.version > 1:
        words = {"version": tally.version, "reason": tally.reason}
        told += _("第%(version)s版,更正原因:%(reason)s") % words
    story: list[Flowable] = [_text(title_of(agenda), TITLE), _text(told, TEXT)]
    for section in sections(agenda, tally.content):
        story += [_text(text, HEADING) for text in (section.part, section.title) if text]
        for table in section.tables:
            texts = filter(None, (table.title, *table.lines))
            story += [_text(text, TABLE_TITLE) for text in texts]
            if table.rows:
                story.append(_drawn(table))
    if note := log_note(agenda.meeting_id):
        story.append(_picture(note))
    story.append(_signatures())
    foot = f"{title_of(agenda)}  {told}"[:FOOT_LENGTH]

    class FootedCanvas(_NumberedCanvas):
        text = foot

    document.build(story, canvasmaker=FootedCanvas)
    return target.getvalue()


class _NumberedCanvas(Canvas):  # type: ignore[misc]
    """Keeps the pages until their number is known, then writes the foot of each."""

    text = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 (reportlab calls it)
        self._kept.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write all pages with their feet."""
        for number, page in enumerate(self._kept, start=1):
            self.__dict__.update(page)
            self.setFont(FONT, 8)
            self.drawString(MARGIN, 10 * mm, self.text)
            words = {"number": number, "pages": len(self._kept)}
            place = _("第%(number)s页,共%(pages)s页") % words
            self.drawRightString(MARGIN + WIDTH, 10 * mm, place)
            super().showPage()
        super().save()


def _picture(note: str) -> Drawing:
    """The signed root of the ballot log as a QR code."""
    drawing = Drawing(PICTURE, PICTURE)
    drawing.add(QrCodeWidget(note, barLevel="M", barWidth=PICTURE, barHeight=PICTURE))
    return drawing


def _drawn(table: Table) -> LongTable:
    rows = [[_text(name, TEXT) for name in line] for line in table.head]
    rows += [[_cell(cell) for cell in row] for row in table.rows]
    style: list[tuple[Any, ...]] = [
        ("SPAN", (left, top), (right, bottom)) for top, left, bottom, right in table.spans
    ]
    if table.head:
        style.append(("BACKGROUND", (0, 0), (-1, len(table.head) - 1), colors.HexColor("#EEF2F7")))
    drawn = LongTable(rows, colWidths=_widths(table), repeatRows=len(table.head))
    drawn.setStyle(TableStyle([*LINES, *style]))
    return drawn


def _widths(table: Table) -> list[float]:
    longest = [
        max(_length(row[column]) for row in (*table.head, *table.rows))
        for column in range(table.width)
    ]
    weights = [min(WIDEST, max(NARROWEST, length)) for length in longest]
    return [WIDTH * weight / sum(weights) for weight in weights]


def _length(cell: Cell) -> int:
    """In half-width characters."""
    return sum(1 if sign.isascii() else 2 for sign in _shown(cell))


def _shown(cell: Cell) -> str:
    return f"{cell:,}" if isinstance(cell, int) else cell


def _cell(cell: Cell) -> Paragraph:
    return _text(_shown(cell), NUMBER if isinstance(cell, int) else TEXT)


def _text(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text), style)  # a paragraph takes markup, a motion's title has none


def _signatures() -> KeepTogether:
    """Places to sign, never torn from each other by the end of a page."""
    names = (_("计票人(签字):"), _("监票人(签字):"), _("律师(签字):"), _("日期:"))
    grid = Grid([[_text(name, TEXT) for name in names]], colWidths=[WIDTH / 4] * 4)
    grid.setStyle(TableStyle([("LINEBELOW", (0, 0), (-1, -1), 0.6, colors.black)]))
    return KeepTogether([Spacer(1, 18 * mm), grid])

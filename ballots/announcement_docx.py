"""The tables of the announcement as a Word document, ready to paste into the company's own."""

from __future__ import annotations

import io
from typing import Any

from django.utils.translation import gettext as _
from docx import Document
from docx.document import Document as Paper
from docx.enum.section import WD_ORIENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from docx.table import _Cell, _Row

from ballots.announcement import sections, title_of
from ballots.announcement_form import Cell, Table
from ballots.log.printed import log_note
from ballots.log.qr import png_of
from meetings.agenda import Agenda

FONT = "宋体"
PICTURE = Mm(50)  # the side of a QR code


def as_docx(agenda: Agenda, content: dict[str, Any]) -> bytes:
    """A landscape document: the meeting, then a heading and a table each; no field, no macro."""
    paper = Document()
    _set_up(paper)
    paper.core_properties.title = title_of(agenda)
    paper.core_properties.author = agenda.issuer_name
    paper.core_properties.comments = ""
    paper.add_heading(title_of(agenda), level=1)
    for section in sections(agenda, content):
        if section.part:
            paper.add_heading(section.part, level=2)
        paper.add_heading(section.title, level=3)
        for table in section.tables:
            for text in filter(None, (table.title, *table.lines)):
                paper.add_paragraph(text)
            if table.rows:
                _add(paper, table)
    if note := log_note(agenda.meeting_id):
        _add_picture(paper, note)
    target = io.BytesIO()
    paper.save(target)
    return target.getvalue()


def _set_up(paper: Paper) -> None:
    section = paper.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = section.page_height, section.page_width
    for name in ("Normal", "Heading 1", "Heading 2", "Heading 3"):
        font = paper.styles[name].font
        font.name = FONT
        # Word keeps a font of its own for Chinese characters.
        font.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), FONT)
    paper.styles["Normal"].font.size = Pt(9)


def _add(paper: Paper, table: Table) -> None:
    lines = [*table.head, *table.rows]
    drawn = paper.add_table(rows=len(lines), cols=table.width, style="Table Grid")
    for place, (line, row) in enumerate(zip(drawn.rows, lines, strict=True)):
        is_head = place < len(table.head)
        if is_head:
            _repeat_on_every_page(line)
        for cell, value in zip(line.cells, row, strict=True):
            _write(cell, value, is_bold=is_head)
    for top, left, bottom, right in table.spans:
        name = table.head[top][left]
        one = drawn.cell(top, left).merge(drawn.cell(bottom, right))
        one.text = ""
        _write(one, name, is_bold=True)


def _add_picture(paper: Paper, note: str) -> None:
    """The signed root of the ballot log as a QR code, with words for those who do not see it."""
    shape = paper.add_picture(io.BytesIO(png_of(note)), width=PICTURE)
    shape._inline.docPr.set("descr", _("最终检查点二维码"))  # noqa: SLF001


def _write(cell: _Cell, value: Cell, *, is_bold: bool = False) -> None:
    paragraph = cell.paragraphs[0]
    run = paragraph.add_run(f"{value:,}" if isinstance(value, int) else value)
    run.bold = is_bold
    if isinstance(value, int):
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT


def _repeat_on_every_page(row: _Row) -> None:
    mark = OxmlElement("w:tblHeader")
    mark.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(mark)  # noqa: SLF001

"""The files of the result, read back: each says what the page says."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import zipfile
import zlib

import pytest
import segno
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from docx import Document

from ballots import announcement
from ballots.announcement_files import FORMS
from ballots.announcement_form import Section, Table
from ballots.log.checkpoints import last_checkpoint
from ballots.models import Checkpoint, Tally
from ballots.opening import ask_for_tally, open_tally
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.models import JournalEntry
from tests.ballots.test_results import vote
from tests.factories import make_meeting, make_secretary

pytestmark = pytest.mark.django_db
HOSTILE = "关于<b>&“=1+1”的议案"


@pytest.fixture
def tally():
    meeting = make_meeting()
    meeting.motions.filter(group=1).update(title=HOSTILE)
    vote(meeting, 1_234_567, "FOR", "AGAINST")
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    ask_for_tally(meeting.pk, by="operator:1", now=timezone.now())
    open_tally(meeting.pk, by="operator:2", now=timezone.now())
    return Tally.objects.get()


def written(tally, form):
    return FORMS[form].write(read_agenda(tally.meeting_id), tally)


def pages_of(pdf):
    """The text of each page, string by string; written for the one font and filter in use."""
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        drawn = zlib.decompress(base64.a85decode(stream.strip().removesuffix(b"~>")))
        strings = re.findall(rb"\(((?:\\.|[^\\)])*)\) Tj", drawn, re.DOTALL)
        yield "\n".join(unescaped(string).decode("utf-16-be") for string in strings)


def unescaped(string):
    codes = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}

    def meant(found):
        sign = found[1]
        return bytes([int(sign, 8)]) if sign.isdigit() else codes.get(sign, sign)

    return re.sub(rb"\\(\d{3}|.)", meant, string, flags=re.DOTALL)


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"json"}))
def test_every_file_names_the_root_of_the_ballot_log(tally, form):
    without = written(tally, form)

    call_command("run_sequencer", "--once")

    root = bytes(Checkpoint.objects.of_meeting(tally.meeting_id).latest("id").root).hex()
    groups = " ".join(root[at : at + 8] for at in range(0, 64, 8))
    last = announcement.sections(read_agenda(tally.meeting_id), tally.content)[-1].tables[-1]
    assert groups in [row[1] for row in last.rows]
    assert len(written(tally, form)) > len(without)


def modules(png, *, scale, border):
    """The dark and light modules of a QR code's picture; for one bit a pixel, filters 0 and 2."""
    chunks, at = {}, 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        chunks[kind] = chunks.get(kind, b"") + data
        at += 12 + size
    width, height, depth, colours, *_rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (width, depth, colours) == (height, 1, 0)  # greyscale: 0 is black
    drawn, line_bytes = zlib.decompress(chunks[b"IDAT"]), 1 + (width + 7) // 8
    lines, above = [], bytes(line_bytes - 1)
    for start in range(0, len(drawn), line_bytes):
        way, line = drawn[start], drawn[start + 1 : start + line_bytes]
        assert way in {0, 2}
        if way == 2:  # the difference to the line above
            line = bytes((new + old) % 256 for new, old in zip(line, above, strict=True))
        lines.append(line)
        above = line
    pixels = [[line[x // 8] >> (7 - x % 8) & 1 for x in range(width)] for line in lines]
    whole = [[1 - pixel for pixel in row[::scale]] for row in pixels[::scale]]
    assert sum(map(sum, pixels)) == scale * scale * sum(1 - m for row in whole for m in row)
    return [row[border:-border] for row in whole[border:-border]]


@pytest.mark.parametrize(
    ("form", "picture"), [("docx", "word/media/image1.png"), ("xlsx", "xl/media/image1.png")]
)
def test_office_files_show_the_signed_root_as_a_code_to_scan(tally, form, picture):
    call_command("run_sequencer", "--once")

    archive = zipfile.ZipFile(io.BytesIO(written(tally, form)))

    note = last_checkpoint(tally.meeting_id).note
    expected = [
        list(row) for row in segno.make(note, micro=False, error="m", boost_error=False).matrix
    ]
    assert modules(archive.read(picture), scale=8, border=4) == expected
    drawings = [name for name in archive.namelist() if name.endswith(("drawing1.xml", "ment.xml"))]
    assert any("最终检查点二维码" in archive.read(name).decode() for name in drawings)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_texts_say_the_root_in_groups(tally, form):
    call_command("run_sequencer", "--once")

    text = written(tally, form).decode()

    assert " ".join(last_checkpoint(tally.meeting_id).groups) in text
    assert last_checkpoint(tally.meeting_id).key.vkey in text


def test_no_file_shows_a_root_before_the_close_is_logged(tally):
    documents = {form: written(tally, form) for form in FORMS}

    assert json.loads(documents["json"])["ballot_log"] is None
    for form in ("docx", "xlsx"):
        names = zipfile.ZipFile(io.BytesIO(documents[form])).namelist()
        assert not [name for name in names if name.endswith(".png")]


def test_the_word_document_has_the_pages_tables(tally):
    agenda = read_agenda(tally.meeting_id)

    paper = Document(io.BytesIO(written(tally, "docx")))

    sections = announcement.sections(agenda, tally.content)
    tables = [table for section in sections for table in section.tables]
    headings = [p.text for p in paper.paragraphs]
    assert headings[0] == f"{agenda.issuer_name} {agenda.title}(演练)"
    assert [h for h in headings if h.startswith("(")] == [
        section.title for section in sections if section.title.startswith("(")
    ]
    assert {table.title for table in tables if table.title} <= set(headings)
    drawn_ones = zip(paper.tables, [t for t in tables if t.rows], strict=True)
    for drawn, table in drawn_ones:
        cells = [tuple(cell.text for cell in row.cells) for row in drawn.rows]
        shown = [tuple(f"{c:,}" if isinstance(c, int) else c for c in row) for row in table.rows]
        assert cells[len(table.head) :] == shown


def test_the_pdf_has_the_tables_places_to_sign_and_numbered_pages(tally):
    agenda = read_agenda(tally.meeting_id)

    pdf = written(tally, "pdf")

    pages = list(pages_of(pdf))
    assert pdf.startswith(b"%PDF")
    assert f"/Count {len(pages)} " in re.sub(r"\s+", " ", pdf.decode("latin-1"))
    whole = "".join(pages).replace("\n", "")
    counted_at = f"{timezone.localtime(tally.counted_at):%Y-%m-%d %H:%M:%S}"
    for text in ("计票人(签字)", "监票人(签字)", "律师(签字)", HOSTILE, "1,234,567"):
        assert text in whole
    for section in announcement.sections(agenda, tally.content):
        assert section.title in whole
        assert all(table.title in whole for table in section.tables)
    for number, page in enumerate(pages, start=1):
        assert f"第{number}页,共{len(pages)}页" in page
        assert agenda.title in page
        assert counted_at in page


def test_a_long_table_goes_on_over_the_pages_of_a_pdf_under_its_head(tally, monkeypatch):
    rows = tuple((f"{number}.00", number) for number in range(200))
    section = Section("长表", (Table("", rows, ("议案序号", "票数")),))
    monkeypatch.setattr("ballots.announcement_pdf.sections", lambda *_: [section])

    pages = list(pages_of(written(tally, "pdf")))

    assert len(pages) > 5
    assert all("议案序号" in page for page in pages[:-1])
    assert "199.00" in "".join(pages[-2:])


def test_the_same_result_gives_the_same_pdf(tally):
    once, again = (written(Tally.objects.get(), "pdf") for _time in range(2))

    assert once == again


def test_the_json_is_the_result_document_with_the_log(tally):
    call_command("run_sequencer", "--once")

    document = json.loads(written(tally, "json"))

    checkpoint = last_checkpoint(tally.meeting_id)
    log = document.pop("ballot_log")
    assert document == tally.content
    assert (log["size"], log["checkpoint"]) == (checkpoint.size, checkpoint.note)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_form_is_a_download_and_stands_in_the_journal(tally, client, form):
    secretary = make_secretary(tally.meeting.issuer)
    client.force_login(secretary)

    page = client.get(reverse("console:meeting", args=[tally.meeting_id])).text
    answer = client.get(reverse("console:download", args=[tally.meeting_id, form]))

    assert f"result.{form}" in page
    assert answer.status_code == 200
    assert answer["Content-Type"] == FORMS[form].content_type
    assert answer["Content-Disposition"].endswith(f'result.{form}"')
    entry = JournalEntry.objects.get(verb="result.downloaded")
    assert (entry.actor, entry.details) == (secretary.actor, {"format": form})

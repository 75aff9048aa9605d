"""Whatever the bytes: rows that are all accounted for, or a clear refusal, never a crash."""

from __future__ import annotations

import contextlib
import io
from datetime import date

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meetings.register import checks, profiles, reading
from meetings.register.findings import Unreadable
from tests.meetings.register.files import HEADERS, SAMPLES, expectation

pytestmark = [
    pytest.mark.django_db,  # the profiles of headers are data
    # What is found may be long; a warning in its place would hide what went wrong.
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]

DBF = (SAMPLES / "bad_account_format.dbf").read_bytes()
XLSX = (SAMPLES / "bad_numeric_id.xlsx").read_bytes()
ZIP = (SAMPLES / "t1_600000_20260623.zip").read_bytes()
CSV = (SAMPLES / "register_gb18030.csv").read_bytes()

many = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def take(content: bytes, file_name: str) -> None:
    """Read and check everything; every record is a good row or has a finding."""
    with contextlib.suppress(Unreadable):
        reader = reading.open_register(io.BytesIO(content), file_name=file_name)
        layout = profiles.recognise(reader.headers, line=reader.header_line)
        for chunk in reader.chunks(layout):
            good, found = checks.check_rows(chunk.frame, expectation())
            refused = {f.row for f in [*chunk.findings, *found] if not f.is_warning}
            assert len(good) + len(refused) == chunk.rows_read


def changed(content: bytes) -> st.SearchStrategy[bytes]:
    """The content cut somewhere, and some bytes of it replaced."""
    places = st.lists(
        st.tuples(st.integers(0, len(content) - 1), st.binary(min_size=1, max_size=4)), max_size=4
    )

    def apply(cut: int, changes: list[tuple[int, bytes]]) -> bytes:
        text = bytearray(content)
        for at, new in changes:
            text[at : at + len(new)] = new
        return bytes(text[:cut])

    cuts = st.one_of(st.just(len(content)), st.integers(0, len(content)))
    return st.builds(apply, cuts, places)


@many
@given(changed(DBF))
def test_a_damaged_dbf_is_read_or_refused(content):
    take(content, "a.dbf")


@many
@given(st.binary(max_size=40).map(lambda noise: b"\x03" + noise), st.binary(max_size=400))
def test_garbage_with_a_dbf_mark_is_refused(start, rest):
    take(start + rest, "a.dbf")


@many
@given(changed(XLSX))
@example(XLSX[:-6] + b"\x007" + XLSX[-4:])  # says that its members begin before the file
def test_a_damaged_xlsx_is_read_or_refused(content):
    take(content, "a.xlsx")


@many
@given(changed(ZIP))
def test_a_damaged_zip_is_read_or_refused(content):
    take(content, "a.zip")


@many
@given(changed(CSV))
@example(b"\n" + CSV[:200])  # a blank line before the headers
def test_a_damaged_csv_is_read_or_refused(content):
    take(content, "a.csv")


cells = st.text(alphabet='ab1,"\n\r\t 张', max_size=6)


@many
@given(st.lists(st.lists(cells, min_size=9, max_size=12), max_size=12))
def test_text_splits_into_the_same_records_whatever_the_quotes(records):
    """Fields written by the rules of RFC 4180 come back, each record at its own line."""
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in record) for record in records]
    content = "\r\n".join([",".join(HEADERS), *lines, ""]).encode()

    reader = reading.open_register(io.BytesIO(content), file_name="a.csv")
    layout = profiles.recognise(reader.headers, line=1)
    chunks = list(reader.chunks(layout))

    names = [name for chunk in chunks for name in chunk.frame["holder_name"]]
    even = [record for record in records if len(record) == len(HEADERS)]
    assert names == [record[3].strip() for record in even]
    assert sum(chunk.rows_read for chunk in chunks) == len(records)
    assert len({f.row for chunk in chunks for f in chunk.findings}) == len(records) - len(even)


def test_the_side_form_must_be_of_the_meeting():
    stated = checks.Stated(record_date=date(2026, 6, 24), security_code="600001")

    found = [finding.kind for finding in checks.check_side_form(expectation(), stated)]

    assert found == ["WRONG_SECURITY_CODE", "RECORD_DATE_MISMATCH"]

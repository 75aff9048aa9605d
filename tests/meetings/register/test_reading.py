"""Readers: what a file holds is read as it stands, or refused at its place."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile
import zlib

import pytest
import xlsxwriter

from meetings.register import profiles, reading
from meetings.register.chunks import BLOCK_BYTES
from meetings.register.findings import Finding, Unreadable
from tests.meetings.register.files import HEADERS, SAMPLES, csv_file, row

pytestmark = pytest.mark.django_db  # the profiles of headers are data

DBF = (SAMPLES / "t1_600000_20260623.dbf").read_bytes()
XLSX = (SAMPLES / "register.xlsx").read_bytes()


def read(content: bytes, file_name: str) -> tuple[list[dict[str, object]], list[Finding]]:
    """All records and findings; what ends the reading is the last finding."""
    records: list[dict[str, object]] = []
    findings: list[Finding] = []
    try:
        reader = reading.open_register(io.BytesIO(content), file_name=file_name)
        layout = profiles.recognise(reader.headers, line=reader.header_line)
        for chunk in reader.chunks(layout):
            records += chunk.frame.to_dicts()
            findings += chunk.findings
            assert chunk.bytes_read <= reader.size
            assert chunk.rows_read == len(chunk.frame) + len({f.row for f in chunk.findings})
    except Unreadable as refusal:
        findings += refusal.findings
    return records, findings


def kinds(content: bytes, file_name: str) -> list[tuple[str, int | None, int | None]]:
    return [(f.kind, f.row, f.line) for f in read(content, file_name)[1]]


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def sheet(*rows: list[object]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        page = book.add_worksheet()
        for at, cells in enumerate(rows):
            page.write_row(at, 0, cells)
    return file.getvalue()


# --- Text ----------------------------------------------------------------------------------


def test_plain_and_quoted_text_is_read_alike():
    rows = [row(f"A{n:09d}", name=f"张{n}") for n in range(50_000)]
    quoted = [r.replace("张拟", '"张拟"').replace("600000", '"600000"', 1) for r in rows]

    plain_records, plain_findings = read(csv_file(*rows).getvalue(), "a.csv")
    quoted_records, quoted_findings = read(csv_file(*quoted).getvalue(), "a.csv")

    assert plain_findings == quoted_findings == []
    assert plain_records == quoted_records
    assert [(r["row"], r["line"]) for r in plain_records] == [(n, n + 1) for n in range(1, 50_001)]


def test_lines_are_counted_through_quoted_line_ends():
    text = csv_file(
        row("A000000001", name='"张\r\n三"'),
        row("A000000002", name='"李""四,五"'),
        row("A000000003"),
        "too,short",
    ).getvalue()

    records, findings = read(text, "a.csv")

    assert [(r["row"], r["line"], r["holder_name"]) for r in records] == [
        (1, 2, "张\r\n三"),
        (2, 4, '李"四,五'),
        (3, 5, "张拟三"),
    ]
    assert [(f.kind, f.row, f.line) for f in findings] == [("RAGGED_ROW", 4, 6)]


def test_a_quoted_record_may_cross_the_end_of_a_block():
    name = '"' + "张\n" * 300 + '"'
    rows = [row(f"A{n:09d}", name=name) for n in range(3 * BLOCK_BYTES // 1_200)]

    records, findings = read(csv_file(*rows).getvalue(), "a.csv")

    assert findings == []
    assert [r["line"] for r in records] == [2 + 301 * n for n in range(len(rows))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings_are_told_apart(encoding):
    text = csv_file(row("A000000001", name="张㐂𠀀")).getvalue().decode().encode(encoding)

    records, findings = read(text, "a.csv")

    assert (findings, records[0]["holder_name"]) == ([], "张㐂𠀀")


def test_a_byte_order_mark_of_gb18030_is_no_part_of_the_header():
    text = b"\x84\x31\x95\x33" + csv_file(
        row("A000000001", name="张拟三")
    ).getvalue().decode().encode("gb18030")

    records, findings = read(text, "a.csv")

    assert (findings, records[0]["security_code"]) == ([], "600000")


def test_a_mark_of_utf_8_before_gb18030_is_refused():
    text = b"\xef\xbb\xbf" + csv_file(row("A000000001")).getvalue().decode().encode("gb18030")

    assert kinds(text, "a.csv") == [("ENCODING", None, 1)]


def test_the_line_of_a_wrong_byte_is_found_in_the_last_block_too():
    rows = [row(f"A{n:09d}") for n in range(30_000)]
    text = csv_file(*rows, row("A999999999", name="坏")).getvalue()

    assert kinds(text.replace("坏".encode(), b"\xe5\xff\x8f"), "a.csv") == [
        ("ENCODING", 30_001, 30_002)
    ]


def test_utf_16_is_no_encoding_of_a_register():
    text = csv_file(row("A000000001")).getvalue().decode().encode("utf-16")

    assert kinds(text, "a.csv") in ([("ENCODING", None, 1)], [("NOT_A_REGISTER", None, None)])


def test_a_quote_that_never_closes_is_named_where_it_opened():
    rows = [row("A000000001"), row("A000000002", name='"张三'), *[row("A000000003")] * 5]

    assert kinds(csv_file(*rows).getvalue(), "a.csv") == [("UNCLOSED_QUOTE", 2, 3)]


def test_a_quote_that_never_closes_does_not_swallow_a_large_file():
    rows = [row("A000000001", name='"张三'), *[row("A000000003")] * 50_000]

    assert kinds(csv_file(*rows).getvalue(), "a.csv") == [("UNCLOSED_QUOTE", 1, 2)]


def test_blank_lines_are_records_except_at_the_end():
    text = csv_file(row("A000000001"), "", row("A000000002"), "", "").getvalue()

    records, findings = read(text, "a.csv")

    assert [(f.kind, f.row, f.line) for f in findings] == [("RAGGED_ROW", 2, 3)]
    assert [(r["row"], r["line"]) for r in records] == [(1, 2), (3, 4)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r"])
def test_other_line_ends_are_read_too(line_end):
    text = csv_file(row("A000000001"), row("A000000002")).getvalue().replace(b"\r\n", line_end)

    records, findings = read(text, "a.csv")

    assert findings == []
    assert [r["line"] for r in records] == [2, 3]


@pytest.mark.parametrize(
    ("content", "file_name"),
    [
        (DBF, "a.csv"),
        (XLSX, "a.csv"),
        (XLSX, "a.dbf"),
        (csv_file(row("A000000001")).getvalue(), "a.xlsx"),
        (csv_file(row("A000000001")).getvalue(), "a.zip"),
        (csv_file(row("A000000001")).getvalue(), "a.dbf"),
        (csv_file(row("A000000001")).getvalue().replace(b",", b"\t"), "a.csv"),
        (csv_file(row("A000000001")).getvalue(), "a.txt"),
        (csv_file(row("A000000001")).getvalue(), "a.pdf"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "a.csv"),
        (zipped(a__txt=b"x"), "a.xlsx"),
    ],
)
def test_the_content_must_be_what_the_suffix_says(content, file_name):
    assert kinds(content, file_name) == [("NOT_A_REGISTER", None, None)]


# --- Columns -------------------------------------------------------------------------------


def test_headers_are_known_with_blanks_and_in_any_case():
    headers = (" zqdm ", "Zqzh", "持有人全称", "cysl")

    records, findings = read(
        csv_file("600000,A000000001,张三,1", headers=headers).getvalue(), "a.csv"
    )

    assert findings == []
    assert records[0]["qty"] == "1"


def test_the_full_name_goes_before_the_short_one():
    headers = ("HSTTGDM", "HSTGDDM", "HSTGDXM", "HSTGDQC", "HSTCYSL")
    rows = ["600000,A000000001,短,长长", "600000,A000000002,短, "]

    records, _ = read(csv_file(*(f"{r},1" for r in rows), headers=headers).getvalue(), "a.csv")

    assert [r["holder_name"] for r in records] == ["长长", "短"]


def test_every_missing_column_is_named():
    _, findings = read(csv_file("1", headers=("证券代码", "备注")).getvalue(), "a.csv")

    assert [(f.kind, f.column) for f in findings] == [
        ("MISSING_COLUMN", "account_no"),
        ("MISSING_COLUMN", "holder_name"),
        ("MISSING_COLUMN", "qty"),
    ]


# --- DBF -----------------------------------------------------------------------------------


def dbf(*names: bytes, width: int = 12, version: int = 3, end: bytes = b"\x1a") -> bytes:
    """A DBF whose rows differ in HSTGDXM only."""
    fields = ((b"HSTTGDM", 6), (b"HSTGDDM", 10), (b"HSTCYSL", 5), (b"HSTGDXM", width))
    tail = b"\0" * 263 if version == 0x30 else b""
    header = b"".join(struct.pack("<11sc4xBB14x", n, b"C", w, 0) for n, w in fields) + b"\r" + tail
    record_bytes = 1 + sum(w for _, w in fields)
    start = struct.pack("<B3xIHH20x", version, len(names), 32 + len(header), record_bytes)
    records = b"".join(b" 600000A000000001    1" + n.ljust(width) for n in names)
    return start + header + records + end


def test_half_a_character_at_the_end_of_a_short_name_is_dropped():
    cut = "张拟三丙丁".encode("gb18030") + b"a" + "戊".encode("gb18030")[:1]

    records, findings = read(dbf("张三".encode("gb18030"), cut), "a.dbf")

    assert findings == []
    assert [(r["holder_name"], r["is_name_cut"]) for r in records] == [
        ("张三", False),
        ("张拟三丙丁a", True),
    ]


def test_half_a_character_within_a_name_is_no_text():
    records, findings = read(dbf(b"\xd5\x20" + b"abcdefghij", b"ab\xd5"), "a.dbf")

    assert records == []
    assert [(f.kind, f.row, f.column) for f in findings] == [
        ("ENCODING", 1, "holder_name"),
        ("ENCODING", 2, "holder_name"),
    ]


@pytest.mark.parametrize("end", [b"", b"\x1a"])
@pytest.mark.parametrize("version", [0x03, 0x30])
def test_visual_foxpro_and_a_missing_end_mark_are_read(version, end):
    records, findings = read(dbf(b"a\0\0", b"b", version=version, end=end), "x.623")

    assert findings == []
    assert [r["holder_name"] for r in records] == ["a", "b"]


def test_names_are_gb18030_even_where_they_could_be_utf_8():
    records, _ = read(dbf("模".encode("gb18030"), b"a"), "a.dbf")

    assert records[0]["holder_name"] == "模"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (DBF[:-300], ("DBF_SIZE", 2021, None)),
        (DBF + b"\x1a", ("DBF_SIZE", None, None)),
        (DBF[:100], ("DBF_STRUCTURE", None, None)),
        (dbf(b"a").replace(b" 600000", b"?600000"), ("DBF_STRUCTURE", 1, None)),
    ],
)
def test_a_dbf_that_contradicts_itself_is_refused(content, expected):
    assert kinds(content, "a.dbf") == [expected]


# --- Zip and XLSX --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        zipped(a__csv=b"x", b__csv=b"y"),
        zipped(a__pdf=b"x"),
        zipped(a__zip=b"x"),
        zipped(),
        zipped(**{"../a__csv": b"x"}),
        zipped(**{"/a__csv": b"x"}),
        zipped(a__csv=csv_file(row("A000000001")).getvalue())[:-10],
    ],
)
def test_a_zip_holds_one_register_and_nothing_else(content):
    assert kinds(content, "a.zip") == [("ZIP_CONTENT", None, None)]


@pytest.mark.parametrize("file_name", ["register.xlsx", "register_gb18030.csv", "register_tab.txt"])
def test_any_register_may_come_in_a_zip(file_name):
    content = (SAMPLES / file_name).read_bytes()
    plain, _ = read(content, file_name)

    records, findings = read(zipped(**{file_name.replace(".", "__"): content}), "a.zip")

    assert findings == []
    assert records == plain


def test_an_untrue_declared_size_is_refused():
    content = zipped(a__csv=csv_file(*[row("A000000001")] * 1000).getvalue())
    true_size = len(csv_file(*[row("A000000001")] * 1000).getvalue())
    for claimed in (true_size - 1, true_size + 1):
        lie = content.replace(struct.pack("<I", true_size), struct.pack("<I", claimed))

        assert kinds(lie, "a.zip")[-1][0] == "ZIP_TOO_LARGE"


def test_a_changed_byte_in_a_zip_is_noticed():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.csv", csv_file(row("A000000001", qty="100")).getvalue())

    assert kinds(file.getvalue().replace(b",100,", b",900,"), "a.zip")[-1][0] == "ZIP_CONTENT"


def test_cells_are_read_by_their_names_and_blank_rows_are_none():
    content = sheet(
        ["证券代码", "证券账户号码", "持有人名称", "持有数量", "证件号码"],
        ["600000", "A000000001", "张三", 1000, ""],
        [],
        ["", "A000000002", "", 5e3, "X1"],
    )

    records, findings = read(content, "a.xlsx")

    assert findings == []
    cells = [(r["row"], r["line"], r["security_code"], r["qty"], r["id_no"]) for r in records]
    assert cells == [(1, 2, "600000", "1000", ""), (2, 4, "", "5000", "X1")]


@pytest.mark.parametrize(
    ("written", "name", "found"),
    [("_x0041_", "A", []), ("_xD800_", "_xD800_", []), ("_x0000_", None, [("NUL_BYTE", 1, 2)])],
)
def test_escapes_stand_for_characters_and_nothing_else(written, name, found):
    cells = "".join(f"<c t='inlineStr'><is><t>{text}</t></is></c>" for text in HEADERS)
    values = ["600000", "A000000001", "", written, *[""] * 5, "1", ""]
    row_cells = "".join(f"<c t='inlineStr'><is><t>{text}</t></is></c>" for text in values)
    content = bomb(
        sheet1=f"<worksheet><sheetData><row>{cells}</row><row>{row_cells}</row></sheetData></worksheet>"
    )

    records, _ = read(content, "a.xlsx")

    assert [record["holder_name"] for record in records] == ([name] if name else [])
    assert kinds(content, "a.xlsx") == found


def test_a_cell_beyond_the_header_is_no_field():
    content = sheet(
        ["证券代码", "证券账户号码", "持有人名称", "持有数量"],
        ["600000", "A000000001", "张三", 1, "?"],
    )

    assert kinds(content, "a.xlsx") == [("RAGGED_ROW", 1, 2)]


def bomb(**parts: str) -> bytes:
    """register.xlsx with some of its parts replaced."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(XLSX)) as good,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for name in good.namelist():
            key = name.rpartition("/")[2].partition(".")[0]
            bad.writestr(name, parts.get(key, good.read(name)))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bomb(sheet1="<worksheet><sheetData><row>"), "XLSX_STRUCTURE"),
        (bomb(sheet1="<!DOCTYPE x><worksheet/>"), "XML_ENTITY"),
        (bomb(sharedStrings='<!DOCTYPE x [<!ENTITY a "b">]><sst/>'), "XML_ENTITY"),
        (bomb(sharedStrings="<sst/>"), "XLSX_STRUCTURE"),
        (bomb(workbook="<workbook/>"), "XLSX_STRUCTURE"),
        (bomb(sheet1="<worksheet/>"), "EMPTY_FILE"),
        (XLSX[: len(XLSX) // 2], "XLSX_STRUCTURE"),
    ],
)
def test_a_broken_workbook_is_refused(content, expected):
    assert [kind for kind, *_ in kinds(content, "a.xlsx")] == [expected]


def test_a_cell_far_away_takes_no_memory():
    far = '<worksheet><sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'

    tracemalloc.start()
    found = kinds(bomb(sheet1=f"{far}</worksheet>"), "a.xlsx")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [kind for kind, *_ in found] == ["MISSING_COLUMN"] * 4
    assert peak < 20_000_000


def endless_zip() -> bytes:
    """A true 200 MiB of blanks in 200 kB, said to be a kilobyte."""
    compress = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(compress.compress(bytes([32]) * BLOCK_BYTES) for _ in range(200))
    packed += compress.flush()
    name, crc = b"a.csv", 0
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(packed), 1000, 5, 0)
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, len(packed), 1000, 5, *[0] * 6
    )
    at = len(local) + len(name) + len(packed)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(central) + len(name), at, 0)
    return local + name + packed + central + name + end


@pytest.mark.parametrize(
    ("content", "file_name", "expected"),
    [
        ((SAMPLES / "bad_zip_bomb.xlsx").read_bytes(), "a.xlsx", "XLSX_TOO_LARGE"),
        ((SAMPLES / "bad_xml_entity.xlsx").read_bytes(), "a.xlsx", "XML_ENTITY"),
        ((SAMPLES / "bad_huge_field.csv").read_bytes(), "a.csv", "FIELD_TOO_LONG"),
        (endless_zip(), "a.zip", "ZIP_TOO_LARGE"),
        (b"x" * 50_000_000, "a.csv", "FIELD_TOO_LONG"),
        (",".join(HEADERS).encode() + b"\n" + b'"' + b"\n" * 20_000_000, "a.csv", "UNCLOSED_QUOTE"),
    ],
)
def test_a_bomb_dies_at_once_and_small(content, file_name, expected):
    tracemalloc.start()
    started = time.process_time()
    found = kinds(content, file_name)
    seconds = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [kind for kind, *_ in found] == [expected]
    assert seconds < 2  # 0.2, the tracing, and whoever shares the core
    assert peak < 25_000_000


def test_blank_lines_before_the_headers_are_passed_over():
    lines = ["", "", ",".join(HEADERS), ",".join("x" for _header in HEADERS), ""]

    reader = reading.open_register(io.BytesIO("\r\n".join(lines).encode()), file_name="a.csv")
    layout = profiles.recognise(reader.headers, line=reader.header_line)
    (chunk,) = reader.chunks(layout)

    assert reader.header_line == 3
    assert list(chunk.frame["line"]) == [4]

"""A bundle comes from somebody who may mean ill: it is refused with a reason, and quickly."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from ballot_verifier.bundle import MOST_PACKED, Unreadable, parse_json
from ballot_verifier.verifying import verify
from tests.verifier import writer
from tests.verifier.writer import files_of


@pytest.fixture
def refused(tmp_path):
    """Verify the bytes of a bundle and return why it is refused."""

    def refused(data: bytes) -> str:
        path = tmp_path / "bundle.zip"
        path.write_bytes(data)
        with pytest.raises(Unreadable) as caught:
            verify(path, processes=1)
        return str(caught.value)

    return refused


def zipped(files, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data", [b"", b"PK\5\6", b"not a zip", b"PK\3\4" + bytes(100), bytes(22), b"PK\5\6" * 30]
)
def test_what_is_no_zip_is_refused(refused, data):
    assert "not a ZIP file" in refused(data)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Unreadable, match="No such file"):
        verify(tmp_path / "nothing.zip")


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_bundle_is_refused(refused, book, keep):
    data = zipped(files_of(book))

    assert refused(data[: int(len(data) * keep)])


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a/openings.txt", "C:\\keys.txt"]
)
def test_a_name_that_does_not_belong_there_is_refused(refused, book, name):
    assert "does not belong" in refused(zipped({**files_of(book), name: b"x"}))


def test_a_file_that_stands_there_twice_is_refused(refused, book):
    buffer = io.BytesIO(zipped(files_of(book)))
    with pytest.warns(UserWarning), zipfile.ZipFile(buffer, "a") as archive:  # noqa: PT030
        archive.writestr("keys.txt", b"another")

    assert "twice" in refused(buffer.getvalue())


def test_a_missing_file_is_refused(refused, book):
    files = files_of(book)
    del files["openings.txt"]

    assert refused(zipped(files)) == "missing: openings.txt"


def test_a_bomb_is_refused_before_it_is_unpacked(refused, book):
    bomb = bytes(MOST_PACKED * 1_000_000)

    assert "ZIP bomb" in refused(zipped({**files_of(book), "openings.txt": bomb}))


def test_a_file_that_unpacks_to_more_than_it_says_is_refused(refused, book):
    data = zipped({**files_of(book), "openings.txt": bytes(5_000_000)})
    data = data.replace(struct.pack("<I", 5_000_000), struct.pack("<I", 400_000))

    assert refused(data)


def test_files_that_share_their_bytes_are_refused(refused, book):
    data = bytearray(zipped(files_of(book)))
    directory = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", directory + 4)
    data[second + 42 : second + 46] = data[directory + 42 : directory + 46]

    assert refused(bytes(data))


def test_a_directory_of_a_million_names_is_not_even_read(refused):
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 65_535, 65_535, 90_000_000, 0, 0)

    assert "holds 65535 files" in refused(bytes(1_000) + end)


def test_other_compressions_and_encryption_are_refused(refused, book):
    files = files_of(book)
    encrypted = bytearray(zipped(files))
    at = encrypted.index(b"PK\1\2")
    encrypted[at + 8] |= 1

    assert "packed in a way" in refused(zipped(files, zipfile.ZIP_BZIP2))
    assert "encrypted" in refused(bytes(encrypted))


def test_a_flipped_bit_in_the_archive_is_damage(refused, book):
    data = bytearray(zipped(files_of(book), zipfile.ZIP_STORED))
    data[data.index(b"ballot-log/v1 ballot")] ^= 1

    assert "openings.txt: damaged" in refused(bytes(data))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"a": NaN}', "no whole number"),
        (b'{"a": Infinity}', "no whole number"),
        (b'{"a": 1.5}', "no whole number"),
        (b'{"a": 1e400}', "no whole number"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "too long"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_json_that_could_be_read_in_two_ways_is_refused(text, why):
    with pytest.raises(Unreadable, match=why):
        parse_json(text, name="agenda.json")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("motions", 0, "number"), "../1"),
        (("motions", 0, "number"), 1),
        (("motions", 0, "kind"), "SECRET"),
        (("motions", 0, "share_classes"), ["Z"]),
        (("motions", 0, "share_classes"), [[]]),
        (("motions", 1, "number"), "1.00"),
        (("motions", 2, "candidates"), [1]),
        (("share_classes", 0, "capital"), -1),
        (("share_classes", 0, "capital"), True),
        (("share_classes",), []),
        (("policies", "closing_price"), "1e9999999"),
        (("meeting", "meeting_date"), "tomorrow"),
        (("meeting", "meeting_date"), "2026-02-30"),
        (("meeting", "meeting_date"), "0001-01-01"),
        (("meeting", "is_rehearsal"), "no"),
        (("meeting",), []),
    ],
)
def test_an_agenda_that_is_not_one_is_refused(refused, book, place, value):
    document = json.loads(json.dumps(book.agenda))
    inner = document
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value

    why = refused(zipped({**files_of(book), "agenda.json": writer.canonical(document)}))

    assert why.startswith("agenda.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pct_policy", "ROUND"),
        ("first_vote_scope", None),
        ("invalid_occupies_slot", 1),
        ("onsite_time_default", "NEVER"),
        ("votes_of_the_chairman", "DOUBLE"),
        ("onsite_vote_start ", "14:00:00"),
    ],
)
def test_a_rule_that_the_program_does_not_know_is_refused_by_its_name(refused, book, name, value):
    book.change(policies={name: value})

    why = refused(zipped(files_of(book)))

    rule = f"{name} = {value}"
    assert why == f"agenda.json, policies: {rule} is a rule unknown to this program"


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("keys.txt", b"no key", "keys.txt"),
        ("keys.txt", b"\xff", "keys.txt"),
        ("entries.bin", bytes(32), "not whole entries"),
        ("entries.bin", b"", "not whole entries"),
        ("openings.txt", b"no end", "does not end"),
        ("openings.txt", b"x" * 600_000, "a line of more than"),
        ("checkpoints.txt", b"x\n" * 100, "too many lines"),
        ("lists.json", b"{}", "lists.json"),
        ("lists.json", b'{"recusals":{"9.00":[]},"insiders":[],"concert_parties":{}}', "9.00"),
        ("lists.json", b'{"recusals":{},"insiders":["x"],"concert_parties":{}}', "pseudonyms"),
        ("totals.json", b"[]", "not a JSON object"),
    ],
)
def test_a_file_that_is_not_of_its_form_is_refused(refused, book, name, data, why):
    assert why in refused(zipped({**files_of(book), name: data}))


@pytest.mark.parametrize("name", ["openings.txt", "register.txt", "checkpoints.txt", "totals.json"])
def test_rubbish_in_a_file_fails_a_step_and_breaks_nothing(book, check, name):
    rubbish = {
        "totals.json": b'{"attendance": 7, "motions": {"1.00": [], "x": {"excluded": {}}}}',
        "checkpoints.txt": "x\n\n— \n— x y\n".encode(),
    }.get(name, b"1\t2\n\n\t\t\n99999999999999999999\tab\t\xff\n-1\n0\t" + b"0" * 32 + b"\tx\ty\n")

    report = check({**files_of(book), name: rubbish})

    assert not report.is_good


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_change_of_any_file_goes_unnoticed_or_breaks_the_verifier(book, tmp_path, data):
    """The manifest is left as it was, so at the least it names the file."""
    files = files_of(book)
    path = writer.pack(files, tmp_path / "bundle.zip")
    with zipfile.ZipFile(path) as archive:
        manifest = archive.read("manifest.json")
    name = data.draw(st.sampled_from(sorted(files)))
    place = data.draw(st.integers(0, len(files[name])))
    change = data.draw(st.binary(min_size=1, max_size=4) | st.sampled_from([b"\t", b"\n", b"9"]))
    changed = files[name][:place] + change + files[name][place + data.draw(st.integers(0, 9)) :]
    assume(changed != files[name])

    path.write_bytes(zipped({**files, name: changed, "manifest.json": manifest}))
    try:
        is_good = verify(path, processes=1).is_good
    except Unreadable:
        is_good = False

    assert not is_good


def test_a_record_that_is_committed_to_and_makes_no_sense_fails_a_step(book, check):
    book.ballots[0] = book.ballots[0].replace("1.00=F", "1.00=F=F;;x=4.01:")
    book.ballots[1] = book.ballots[1].replace("class A", "class 丙")
    book.others[0] = book.others[0].replace("class A", "class Q")
    book.others[1] = book.others[1].replace("votes 1.00=A", "votes 1.00=A;1.00=F")
    book.holders[3] = (book.holders[3][0], "O", {"A": -5})
    book.holders[7] = (book.holders[7][0], "I", {"A=1;B": 4_000})

    report = check(book)

    assert not report.is_good

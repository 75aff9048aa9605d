"""Whoever changes a log is caught, each by the step that is there for it, with the place named."""

from __future__ import annotations

import copy
import json
import zipfile
from dataclasses import replace

import pytest

from ballot_verifier.bundle import ENTRY_SIZE
from ballot_verifier.notes import Key
from ballot_verifier.verifying import verify
from tests.verifier import writer
from tests.verifier.conftest import MOTIONS, failed, other_vote
from tests.verifier.writer import (
    BALLOT,
    LOG,
    ORIGIN,
    OTHER,
    SCRUTINEER,
    Leaf,
    files_of,
    salt,
    voter,
)

SIGNATURES, OPENINGS, TREE, ONCE, REGISTER, AGENDA, RULES, TOTALS, PROMISES = range(1, 10)
FIRST_BALLOT, LAST_BALLOT = 1, 5


def entries_of(files):
    data = files["entries.bin"]
    return [data[at : at + ENTRY_SIZE] for at in range(0, len(data), ENTRY_SIZE)]


def with_entries(files, entries, *, openings=None, is_signed=False):
    """Other entries (and openings), under the old checkpoints or under new ones."""
    changed = {**files, "entries.bin": b"".join(entries)}
    if openings is not None:
        changed["openings.txt"] = "".join(openings).encode()
    if is_signed:
        changed["checkpoints.txt"] = writer.checkpoints(entries).encode()
    return changed


def renumbered(lines):
    return [f"{index}\t{line.split(chr(9), 1)[1]}" for index, line in enumerate(lines)]


def openings_of(files):
    return files["openings.txt"].decode().splitlines(keepends=True)


def test_an_honest_log_holds_in_every_step_that_can_be_done(book, check):
    report = check(book)

    assert [step.status for step in report.steps] == [*["passed"] * 9, "not_done"]
    assert report.is_good


def test_a_public_bundle_holds_in_the_steps_that_need_no_ballots(book, check):
    report = check(book, kind="public")

    done = [step.number for step in report.steps if step.status == "passed"]
    assert done == [0, SIGNATURES, OPENINGS, TREE, AGENDA, TOTALS]
    assert report.is_good


@pytest.mark.parametrize("index", range(FIRST_BALLOT, LAST_BALLOT + 1))
def test_no_byte_of_any_ballot_can_be_changed(book, check, index):
    files = files_of(book)
    lines = openings_of(files)
    head, opening_salt, text = lines[index].split("\t", 2)

    caught = set()
    for place in range(0, len(text) - 1, 7):
        changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        openings = [*lines[:index], f"{head}\t{opening_salt}\t{changed}", *lines[index + 1 :]]
        report = check({**files, "openings.txt": "".join(openings).encode()})
        caught.add(index in [where for _reason, where in failed(report)[OPENINGS]])

    assert caught == {True}


def test_no_byte_of_a_salt_or_an_entry_can_be_changed(book, check):
    files = files_of(book)
    text, entries = files["openings.txt"].decode(), entries_of(files)
    known_salt = salt(2, BALLOT).hex()

    other_salt = check({**files, "openings.txt": text.replace(known_salt, "00" * 16).encode()})
    entries[2] = entries[2][:-1] + bytes([entries[2][-1] ^ 1])
    other_entry = check(with_entries(files, entries))

    assert failed(other_salt) == {OPENINGS: [("commitment_differs", 2)]}
    assert failed(other_entry)[OPENINGS] == [("commitment_differs", 2)]
    assert ("root_differs", 10) in failed(other_entry)[TREE]


def test_a_dropped_leaf_is_missed(book, check):
    files = files_of(book)
    lines, entries = openings_of(files), entries_of(files)

    hidden = check({**files, "openings.txt": "".join(lines[:3] + lines[4:]).encode()})
    gone = check(
        with_entries(files, entries[:3] + entries[4:], openings=renumbered(lines[:3] + lines[4:]))
    )
    last_hidden = check({**files, "openings.txt": "".join(lines[:-1]).encode()})

    assert ("not_opened", 3) in failed(hidden)[OPENINGS]
    assert {"size_differs", "ballots_differ", "root_differs"} <= {r for r, _ in failed(gone)[TREE]}
    assert ("not_opened", len(lines) - 1) in failed(last_hidden)[OPENINGS]


def test_an_added_leaf_is_noticed_even_when_the_log_signs_it(book, check):
    files = files_of(book)
    lines, entries = openings_of(files), entries_of(files)
    book.cast("W", {"1.00": "FOR", "2.00": "FOR"}, shares=1_000)
    more = Leaf(BALLOT, book.ballots[-1], salt(77, BALLOT))
    added = [*entries[:4], more.entry, *entries[4:]]
    openings = renumbered([*lines[:4], more.line(4), *lines[4:]])

    unsigned = check(with_entries(files, added, openings=openings))
    signed = check(with_entries(files, added, openings=openings, is_signed=True))

    assert "root_differs" in {reason for reason, _ in failed(unsigned)[TREE]}
    assert failed(signed)[TREE] == [("ballots_differ", None)]
    assert TOTALS in failed(signed)


def test_leaves_that_changed_places_are_noticed(book, check):
    files = files_of(book)
    lines, entries = openings_of(files), entries_of(files)
    lines[1], lines[2] = lines[2], lines[1]
    shuffled = [*entries[:1], entries[2], entries[1], *entries[3:]]

    in_the_openings = check({**files, "openings.txt": "".join(lines).encode()})
    in_both = check(with_entries(files, shuffled, openings=renumbered(lines)))

    assert ("out_of_order", 1) in failed(in_the_openings)[OPENINGS]
    assert failed(in_both) == {TREE: [("root_differs", 4), ("root_differs", 10)]}


def test_a_ballot_among_the_votes_after_the_close_is_noticed(book, check):
    book.cast("W", {"1.00": "FOR", "2.00": "FOR"}, shares=1_000)
    late = book.ballots.pop()

    report = check(writer.with_leaf(book, BALLOT, late))

    assert ("kinds_out_of_order", 11) in failed(report)[TREE]


@pytest.mark.parametrize("found", [9_999, 10_001])
def test_a_ballot_with_another_number_of_shares_is_noticed(book, check, found):
    book.ballots[0] = book.ballots[0].replace("shares 10000", f"shares {found}")

    report = check(book)

    assert failed(report)[REGISTER] == [("shares_differ", FIRST_BALLOT)]
    assert TOTALS in failed(report)


def test_a_nominee_cannot_declare_more_than_it_holds(book, check):
    book.ballots[4] = book.ballots[4].replace("shares 60000", "shares 100001")

    report = check(book)

    assert failed(report)[REGISTER] == [("shares_differ", LAST_BALLOT)]


def test_a_ballot_of_a_stranger_is_noticed(book, check):
    book.cast("nobody", {"1.00": "FOR", "2.00": "FOR"}, shares=7)

    report = check(book)

    assert failed(report)[REGISTER] == [("stranger", 6)]


def test_a_second_ballot_of_a_holder_is_noticed(book, check):
    book.cast("Z", {"1.00": "AGAINST", "2.00": "FOR"}, shares=10_000)

    report = check(book)

    assert failed(report)[ONCE] == [("voted_twice", 6)]


@pytest.mark.parametrize("at", ["01:14:59.999999", "07:00:00.000001"])
def test_a_ballot_out_of_hours_is_noticed(book, check, at):
    book.ballots[1] = book.ballots[1].replace("01:31:07.412345", at)

    report = check(book)

    assert failed(report) == {ONCE: [("out_of_time", 2)]}


def test_a_register_that_was_changed_after_the_polls_opened_is_noticed(book, check):
    root = writer.root_of([writer.sha256(b"\0" + leaf.entry) for leaf in book.register()]).hex()
    changed = copy.deepcopy(book)
    changed.register_root = root
    changed.holders[6] = (voter("W"), "I", {"A": 999_000})
    longer = replace(book, register_root=root, holders=[*book.holders, (voter("W2"), "I", {})])
    longer.ballots = list(book.ballots)

    assert failed(check(changed)) == {REGISTER: [("register_root_differs", None)]}
    assert ("register_root_differs", None) in failed(check(longer))[REGISTER]


def test_a_line_of_the_register_cannot_be_dropped_doubled_or_moved(book, check):
    files = files_of(book)
    lines = files["register.txt"].decode().splitlines(keepends=True)

    def reasons(changed):
        report = check({**files, "register.txt": "".join(changed).encode()})
        return {reason for reason, _index in failed(report)[REGISTER]}

    assert "register_size_differs" in reasons(lines[:-1])
    assert "register_root_differs" in reasons(renumbered([lines[1], lines[0], *lines[2:]]))
    assert "twice_on_register" in reasons(renumbered([*lines, lines[0]]))
    assert "out_of_order" in reasons([lines[1], lines[0], *lines[2:]])


def test_another_agenda_is_noticed(book, check):
    files = files_of(book)
    swapped = copy.deepcopy(MOTIONS)
    swapped[0]["title"], swapped[1]["title"] = swapped[1]["title"], swapped[0]["title"]

    report = check({**files, "agenda.json": writer.canonical(writer.agenda(swapped))})

    assert failed(report) == {AGENDA: [("another_agenda", i) for i in range(LAST_BALLOT + 1)]}


def test_a_ballot_that_saw_another_agenda_is_noticed(book, check):
    book.ballots[2] = book.ballots[2].replace(book.agenda_hash, "00" * 32)

    report = check(book)

    assert failed(report) == {AGENDA: [("another_agenda", 3)]}


def test_the_agenda_of_another_meeting_of_the_same_log_is_noticed(book, check):
    book.agenda["meeting"]["id"] = 124
    book.ballots = [b.replace(b.split("agenda ")[1][:64], book.agenda_hash) for b in book.ballots]

    report = check(book)

    assert failed(report) == {AGENDA: [("another_meeting", None)]}


def test_a_tally_that_one_person_opened_alone_is_noticed(book, check):
    files = files_of(book)
    leaves = book.leaves()
    leaves[-1] = replace(leaves[-1], record=leaves[-1].record.replace("operator:5", "operator:3"))
    openings = [leaf.line(index) for index, leaf in enumerate(leaves)]
    entries = [leaf.entry for leaf in leaves]

    report = check(with_entries(files, entries, openings=openings, is_signed=True))

    assert failed(report) == {RULES: [("opened_alone", 10)]}


def test_shares_of_a_class_that_there_is_not_are_noticed(book, check):
    book.holders.append((voter("Q"), "I", {"Q": 7}))
    book.cast("Q", {"1.00": "FOR", "2.00": "FOR"}, shares=7, share_class="Q")

    report = check(book)

    assert [f.values["fault"] for f in report.steps[RULES].failures] == ["NO_VOTES"]


def test_an_unlawful_ballot_is_noticed(book, check):
    book.ballots[1] = book.ballots[1].replace("1.00=A;2.00=F", "1.00=A")
    book.ballots[2] = book.ballots[2].replace("3.02:3000", "3.02:3001")
    book.ballots[4] = book.ballots[4].replace("X:5000", "X:5001")

    report = check(book)

    assert [failure.values for failure in report.steps[RULES].failures] == [
        {"motion": "2.00", "fault": "INCOMPLETE"},
        {"motion": "3.00", "fault": "OVER_LIMIT"},
        {"motion": "1.00", "fault": "SUM_MISMATCH"},
    ]


@pytest.mark.parametrize(
    ("votes", "fault"),
    [
        ("1.00=F;2.00=F;9.00=F", "NOT_OF_CLASS"),
        ("1.00=F;2.00=3.01:5", "UNKNOWN_CHOICE"),
        ("1.00=F;2.00=F;3.00=3.01:1,3.02:1,3.03:1", "TOO_MANY_CANDIDATES"),
        ("1.00=F:5,A:0,X:0;2.00=F", "NOT_A_NOMINEE"),
    ],
)
def test_answers_that_the_paper_does_not_offer_are_noticed(book, check, votes, fault):
    book.ballots[1] = book.ballots[1].replace("1.00=A;2.00=F", votes)

    report = check(book)

    assert fault in {failure.values["fault"] for failure in report.steps[RULES].failures}


def test_a_vote_of_another_channel_that_was_judged_wrongly_is_noticed(book, check):
    lenient = copy.deepcopy(book)
    lenient.others.append(other_vote("W", {"1.00": "FOR"}, shares=1_000, at="04:00:00", seq=9))
    strict = copy.deepcopy(book)
    strict.others[0] = strict.others[0].replace("effect COUNTS", "effect NOTHING")

    assert failed(check(lenient))[RULES] == [("judged_otherwise", 10)]
    assert failed(check(strict)) == {RULES: [("judged_otherwise", 7)]}


@pytest.mark.parametrize("votes", ["9.00=F", "1.00=3.01:5", "3.00=9.01:5"])
def test_a_vote_of_another_channel_on_what_there_is_not_breaks_nothing(book, check, votes):
    book.others[0] = book.others[0].replace("votes 1.00=F", f"votes {votes}")

    report = check(book)

    assert failed(report)[RULES] == [("cannot_be_read", 7)]


def test_shares_of_another_channel_are_those_of_the_register(book, check):
    book.others[0] = book.others[0].replace("shares 4000", "shares 400000")

    report = check(book)

    assert failed(report) == {REGISTER: [("shares_differ", 7)]}


def test_a_vote_that_came_in_after_the_count_waits_for_the_next_one(book, check):
    late = other_vote("W", {"1.00": "FOR"}, shares=1_000, at="03:00:00", seq=9)

    report = check(writer.with_leaf(book, OTHER, late))

    assert failed(report) == {}


def totals_places(totals):
    """Every figure of the announced result, as a path."""
    for part in ("attendance", "motions"):
        yield from _places(totals[part], (part,))


def _places(value, path):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, (*path, name))
    else:
        yield path


def test_no_figure_of_the_announced_result_can_be_changed(book, check):
    untouched = []
    for path in totals_places(book.totals):
        changed = replace(book, totals=json.loads(json.dumps(book.totals)))
        place = changed.totals
        for name in path[:-1]:
            place = place[name]
        before = place[path[-1]]
        place[path[-1]] = before + 1 if isinstance(before, int) else ["?"]
        places = [f.place for f in check(changed).steps[TOTALS].failures]
        if places != ["/".join(path)]:
            untouched.append(path)

    assert untouched == []


def test_totals_and_lists_other_than_the_logged_ones_are_noticed(book, check):
    files = files_of(book)
    other_totals = files["totals.json"].replace(b"56000", b"56001")
    other_lists = files["lists.json"].replace(
        b'"insiders":[]', b'"insiders":["' + b"0" * 32 + b'"]'
    )

    totals = check({**files, "totals.json": other_totals})
    public = check({**files_of(book, kind="public"), "totals.json": other_totals}, kind="public")
    lists = check({**files, "lists.json": other_lists})

    assert failed(totals)[TOTALS][0] == ("another_document", None)
    assert failed(public) == {TOTALS: [("another_document", None)]}
    assert failed(lists) == {TOTALS: [("another_document", None)]}


def test_a_recusal_that_was_forgotten_changes_the_count(book, check):
    book.lists["recusals"] = {}

    report = check(book)

    assert "motions/2.00/total/for" in {f.place for f in report.steps[TOTALS].failures}


def test_a_forged_checkpoint_is_noticed(book, check):
    files = files_of(book)
    thief = writer.signer(LOG.name, seed="thief")
    forged = writer.checkpoints(entries_of(files), by=thief).encode()
    bitten = files["checkpoints.txt"].replace(b"\n11\n", b"\n12\n")

    own_key = check({**files, "checkpoints.txt": forged, "keys.txt": thief.vkey.encode()})
    altered = check({**files, "checkpoints.txt": bitten})

    assert failed(own_key)[SIGNATURES] == [("not_the_given_key", None)]
    assert failed(altered)[SIGNATURES] == [("bad_checkpoint", None)]
    assert failed(altered)[TREE] == [("size_differs", None)]


def test_without_a_key_by_hand_the_report_says_that_the_bundle_vouches_for_itself(book, check):
    files = files_of(book)
    thief = writer.signer(LOG.name, seed="thief")
    forged = writer.checkpoints(entries_of(files), by=thief).encode()
    keys = f"{thief.vkey}\n{SCRUTINEER.vkey}\n".encode()

    report = check({**files, "checkpoints.txt": forged, "keys.txt": keys}, keys=[])

    assert report.is_good
    assert not report.given


def test_a_wrong_cosignature_is_noticed(book, check):
    files = files_of(book)
    thief = writer.signer(SCRUTINEER.name, kind=4, seed="thief")
    impostor = replace(SCRUTINEER, private_key=thief.private_key)
    text = files["checkpoints.txt"].decode()
    line = text.splitlines()[-1]
    body = "\n".join(text.split("\n")[-6:-3]) + "\n"

    class Impostor(writer.Signer):
        key = SCRUTINEER.key

    forged = Impostor(impostor.name, thief.private_key, 4).line(body)
    report = check({**files, "checkpoints.txt": text.replace(line + "\n", forged).encode()})

    assert failed(report)[SIGNATURES] == [("bad_checkpoint", None)]


def test_checkpoints_of_another_log_or_in_another_order_are_noticed(book, check):
    files = files_of(book)
    first, middle, last = (
        f"{part}" for part in _split_checkpoints(files["checkpoints.txt"].decode())
    )
    other_text = middle.split("\n\n")[0].replace(ORIGIN, f"{ORIGIN}4") + "\n"
    other = f"{other_text}\n{LOG.line(other_text)}"

    mixed = check({**files, "checkpoints.txt": (first + other + last).encode()})
    turned = check({**files, "checkpoints.txt": (middle + first + last).encode()})

    assert failed(mixed) == {SIGNATURES: [("another_log", None)]}
    assert {r for r, _ in failed(turned)[SIGNATURES]} == {"no_first_checkpoint", "size_not_larger"}


def _split_checkpoints(text):
    parts = text.split(f"{ORIGIN}\n")[1:]
    return [f"{ORIGIN}\n{part}" for part in parts]


def test_a_promise_whose_ballot_is_not_in_the_log_is_a_broken_one(book, check):
    leaves = book.leaves()
    lost = Leaf(BALLOT, leaves[1].record, bytes(16))
    files = files_of(book)

    kept = check(files, promises=[("kept", writer.promise(leaves[1]))])
    broken = check(files, promises=[("lost", writer.promise(lost))])
    forged = check(
        files, promises=[("forged", writer.promise(lost, by=writer.signer(LOG.name, seed="x")))]
    )

    assert kept.steps[PROMISES].status == "passed"
    assert failed(broken) == {PROMISES: [("promise_broken", None)]}
    assert failed(forged) == {PROMISES: [("bad_promise", None)]}


def test_a_proof_from_another_view_of_the_log_is_noticed(book, check):
    leaves, files = book.leaves(), files_of(book)
    book.ballots[0] = book.ballots[0].replace("1.00=F", "1.00=A")

    shown_to_all = check(files, held_proofs=[("proof", writer.proof(leaves, 1))])
    shown_to_one = check(files, held_proofs=[("proof", writer.proof(book.leaves(), 1))])

    assert shown_to_all.steps[PROMISES].status == "passed"
    assert failed(shown_to_one) == {PROMISES: [("another_tree", 1)]}


def test_a_record_of_another_meeting_is_noticed(book, check):
    book.ballots[0] = book.ballots[0].replace(f"log {ORIGIN}", f"log {ORIGIN}4")

    report = check(book)

    assert failed(report) == {OPENINGS: [("another_log", FIRST_BALLOT)]}


def test_a_manifest_names_a_damaged_file(book, tmp_path):
    files = files_of(book)
    path = writer.pack(files, tmp_path / "bundle.zip")
    with zipfile.ZipFile(path) as archive:
        manifest = archive.read("manifest.json")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**files, "keys.txt": files["keys.txt"] + b"\n"}.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", manifest)

    report = verify(path, keys=[Key.parse(LOG.vkey)], processes=1)

    assert failed(report) == {0: [("file_differs", None)]}
    assert [failure.place for failure in report.steps[0].failures] == ["keys.txt"]

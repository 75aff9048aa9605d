"""A log that went over to another key: the announced chain holds, and no other one."""

from __future__ import annotations

from typing import Any

import pytest

from ballot_verifier.notes import Key
from ballot_verifier.report import as_json, as_text
from ballot_verifier.verifying import Report
from ballot_verifier.work import OPENINGS, PROMISES, SIGNATURES, TREE
from tests.verifier import writer
from tests.verifier.conftest import Check, failed
from tests.verifier.writer import LOG, NEXT_LOG, Book, files_of_two_keys, succession

THIEF = writer.signer(writer.LOG_NAME, seed="thief")
PLACE = 4  # among the ballots


def keys(*signers: writer.Signer) -> list[Key]:
    return [Key.parse(signer.vkey) for signer in signers]


@pytest.mark.parametrize("given", [[], [LOG], [NEXT_LOG], [LOG, NEXT_LOG], [THIEF, LOG, NEXT_LOG]])
@pytest.mark.parametrize("place", [2, PLACE, 7, 10])
def test_a_log_that_changed_its_key_holds_by_either_key(book, check, given, place):
    report = check(files_of_two_keys(book, place=place), keys=keys(*given))

    assert failed(report) == {}
    assert [key.line for key in report.keys] == [LOG.vkey, NEXT_LOG.vkey]
    assert report.ends == (place + 1,)


def test_the_report_says_which_key_signed_what(book, check):
    report = check(files_of_two_keys(book, place=PLACE), keys=keys(LOG))

    chinese, english = as_text(report, "zh"), as_text(report, "en")
    assert f"日志公钥(由您提供): {LOG.name}+{LOG.id.hex()},签名第1至5条" in chinese
    assert f"(由换钥记录接替): {LOG.name}+{NEXT_LOG.id.hex()},签名第5条以后" in chinese
    assert "signed entries 1 to 5" in english
    assert [key["is_given"] for key in as_json(report)["keys"]] == [True, False]


def forged(book: Book, how: str) -> dict[str, bytes]:
    """A log that goes on by a key that the old one has not named, or not as it must be."""
    honest = files_of_two_keys(book, place=PLACE)
    ways: dict[str, dict[str, Any]] = {
        "thief signs in the place of the old key": {"new": THIEF, "both": (THIEF,)},
        "thief signs beside the leaf of another": {
            "new": THIEF,
            "leaf": succession(LOG, NEXT_LOG),
            "both": (LOG, THIEF),
        },
        "old key did not sign": {"both": (NEXT_LOG,)},
        "new key did not sign": {"both": (LOG,)},
        "leaf goes on from another key": {"leaf": succession(THIEF, NEXT_LOG)},
        "leaf of another log": {"leaf": succession(LOG, NEXT_LOG, origin=f"{writer.ORIGIN}4")},
    }
    if how in ways:
        return files_of_two_keys(book, place=PLACE, **ways[how])
    lines = honest["openings.txt"].splitlines(keepends=True)
    keys_of = {
        "keys in another order": f"{NEXT_LOG.vkey}\n{LOG.vkey}\n",
        "a key too many": f"{LOG.vkey}\n{NEXT_LOG.vkey}\n{THIEF.vkey}\n",
        "a key too few": f"{LOG.vkey}\n",
    }
    if how in keys_of:
        return {**honest, "keys.txt": keys_of[how].encode()}
    del lines[PLACE]
    return {**honest, "openings.txt": b"".join(lines)}


@pytest.mark.parametrize(
    ("how", "step", "reason"),
    [
        ("thief signs in the place of the old key", SIGNATURES, "not_handed_over"),
        ("thief signs beside the leaf of another", SIGNATURES, "another_succession"),
        ("old key did not sign", SIGNATURES, "not_handed_over"),
        ("new key did not sign", SIGNATURES, "not_handed_over"),
        ("leaf goes on from another key", SIGNATURES, "another_succession"),
        ("leaf of another log", OPENINGS, "another_log"),
        ("keys in another order", SIGNATURES, "keys_differ"),
        ("a key too many", SIGNATURES, "keys_differ"),
        ("a key too few", SIGNATURES, "bad_checkpoint"),
        ("the leaf is not opened", OPENINGS, "not_opened"),
    ],
)
def test_no_other_key_goes_on_with_a_log(book, check, how, step, reason):
    for given in ([], [LOG]):
        report = check(forged(book, how), keys=keys(*given))

        assert reason in {said for said, _index in failed(report)[step]}


@pytest.mark.parametrize("given", [[NEXT_LOG], [LOG, NEXT_LOG]])
def test_a_thief_with_the_old_key_is_noticed_by_who_has_the_new_one(book, check, given):
    files = files_of_two_keys(book, place=PLACE, new=THIEF)

    report = check(files, keys=keys(*given))

    assert failed(report) == {SIGNATURES: [("not_the_given_key", None)]}


def test_the_old_key_signs_nothing_after_it_has_handed_over(book, check):
    files = files_of_two_keys(book, place=PLACE)
    entries = [files["entries.bin"][at : at + 33] for at in range(0, len(files["entries.bin"]), 33)]
    text = writer.checkpoint_text(entries)
    notes = files["checkpoints.txt"].decode()

    report = check(
        {**files, "checkpoints.txt": notes.replace(NEXT_LOG.line(text), LOG.line(text)).encode()},
    )

    assert failed(report) == {SIGNATURES: [("signed_by_another", len(entries) - 1)]}


def test_a_change_of_keys_is_a_leaf_like_any_other(book, check):
    files = files_of_two_keys(book, place=PLACE)
    at = PLACE * 33
    without = files["entries.bin"][:at] + files["entries.bin"][at + 33 :]

    report = check({**files, "entries.bin": without})

    assert "size_differs" in {said for said, _index in failed(report)[TREE]}


@pytest.mark.parametrize(("by", "is_good"), [(LOG, True), (NEXT_LOG, True), (THIEF, False)])
def test_promises_of_every_key_of_the_chain_are_the_logs(
    book: Book, check: Check, by: writer.Signer, is_good: bool
):
    promise = writer.promise(book.leaves()[1], by=by)

    report: Report = check(
        files_of_two_keys(book, place=PLACE), keys=keys(LOG), promises=[("promise", promise)]
    )

    assert report.is_good == is_good
    assert is_good or failed(report).keys() == {PROMISES}

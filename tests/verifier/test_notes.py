"""Signed notes and checkpoints, and everything that is not one."""

from __future__ import annotations

import pytest

from ballot_verifier import notes
from ballot_verifier.notes import BadNote, Key
from tests.verifier import writer
from tests.verifier.writer import LOG, ORIGIN, SCRUTINEER

TEXT = writer.checkpoint_text([b"entry"])
SIGNED = f"{TEXT}\n{LOG.line(TEXT)}"
KEYS = [Key.parse(LOG.vkey), Key.parse(SCRUTINEER.vkey)]


def opened(note: str, keys: list[Key] = KEYS) -> notes.Checkpoint:
    return notes.open_checkpoint(note.encode(), keys)


def test_a_checkpoint_says_its_log_its_size_and_its_root():
    checkpoint = opened(SIGNED + SCRUTINEER.line(TEXT))

    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, 1)
    assert [key.name for key in checkpoint.signed_by] == [LOG.name, SCRUTINEER.name]


def test_signatures_of_unknown_keys_are_passed_over():
    stranger = writer.signer("stranger.example.cn")

    checkpoint = opened(stranger.line(TEXT).join([f"{TEXT}\n", LOG.line(TEXT)]))

    assert [key.name for key in checkpoint.signed_by] == [LOG.name]


@pytest.mark.parametrize(
    "note",
    [
        "",
        TEXT,
        f"{TEXT}\n",
        SIGNED[:-1],
        SIGNED.replace("— ", "- "),
        SIGNED.replace("\n1\n", "\n2\n"),
        SIGNED.replace("\n1\n", "\n01\n"),
        SIGNED.replace(ORIGIN, ORIGIN + "\r", 1),
        f"{TEXT}\n{SCRUTINEER.line(TEXT)}",
        f"{SIGNED}{SCRUTINEER.line(TEXT + 'x')}",
        f"{TEXT}\n{writer.signer(LOG.name, seed='another').line(TEXT)}",
        SIGNED + "— x AAAA\n" * 100,
        SIGNED + "x" * 100_000 + "\n",
    ],
)
def test_what_is_not_signed_as_it_must_be_is_refused(note):
    with pytest.raises(BadNote):
        opened(note)


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n1\n",
        f"{ORIGIN}\n1\nnot base64\n",
        f"{ORIGIN}\n1\nAAAA\n",
        f"{ORIGIN}\n-1\n{TEXT.splitlines()[2]}\n",
        f"{ORIGIN}\n٣\n{TEXT.splitlines()[2]}\n",
        f"{TEXT}more\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text):
    with pytest.raises(BadNote):
        opened(f"{text}\n{LOG.line(text)}")


@pytest.mark.parametrize(
    "line",
    [
        "",
        LOG.vkey.replace("+", "-"),
        LOG.vkey.replace("vote", "note"),
        LOG.vkey[:-4],
        LOG.vkey + "=",
        "a b" + LOG.vkey,
    ],
)
def test_a_key_whose_id_does_not_fit_is_refused(line):
    with pytest.raises(BadNote):
        Key.parse(line)

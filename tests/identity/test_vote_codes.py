"""Vote codes: what is made reads back however it is typed, and nothing else does."""

from __future__ import annotations

import secrets

import pytest

from identity.links import Link
from identity.vote_codes import CHARACTERS, make_code, parse_code
from voting_portal.common import codes, ids

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
MEETING = 77


@pytest.mark.parametrize("index", [1, 2, 12_345_678, ids.MAX_INDEX])
@pytest.mark.parametrize("generation", [0, 1, 2, 3])
def test_a_code_says_its_holder_and_generation(index, generation):
    holder = ids.holder_id(MEETING, index)

    code = make_code(KEY, holder, generation)

    assert len(code) == CHARACTERS
    assert set(code) <= set(codes.ALPHABET)
    assert parse_code(KEY, MEETING, code) == Link(holder, MEETING, generation)


def test_a_code_stays_the_same():
    assert make_code(KEY, ids.holder_id(MEETING, 5), 0) == make_code(
        KEY, ids.holder_id(MEETING, 5), 0
    )


@pytest.mark.parametrize(
    "typed",
    [
        lambda code: code.lower(),
        lambda code: f" {code[:5]} {code[5:]} ",
        lambda code: f"{code[:5]}-{code[5:]}",
        lambda code: "".join(chr(ord(character) + 0xFEE0) for character in code),  # full width
        lambda code: code.replace("0", "O").replace("1", "l"),
    ],
)
def test_how_it_is_typed_does_not_matter(typed):
    for index in range(1, 60):
        holder = ids.holder_id(MEETING, index)
        code = make_code(KEY, holder, 0)

        assert parse_code(KEY, MEETING, typed(code)) == Link(holder, MEETING, 0)


def test_neighbours_in_the_register_look_nothing_alike():
    made = [make_code(KEY, ids.holder_id(MEETING, index), 0) for index in range(1, 200)]

    assert len({code[:3] for code in made}) > 150


def test_a_code_of_another_meeting_is_none():
    code = make_code(KEY, ids.holder_id(MEETING, 5), 0)

    assert parse_code(OTHER_KEY, MEETING, code) is None


@pytest.mark.parametrize(
    "text", ["", "7K3P9", "U" * 10, "1" * 11, "投票码投票码投票码投", "0" * 10, "é" * 10]
)
def test_what_is_no_code_is_none(text):
    assert parse_code(KEY, MEETING, text) is None


def test_one_wrong_character_names_nobody():
    code = make_code(KEY, ids.holder_id(MEETING, 5), 0)
    wrong = [
        code[:at] + codes.ALPHABET[(codes.ALPHABET.index(code[at]) + 1) % 32] + code[at + 1 :]
        for at in range(CHARACTERS)
    ]

    assert [parse_code(KEY, MEETING, text) for text in wrong] == [None] * CHARACTERS


def test_guesses_find_nobody():
    guesses = [codes.new_code(CHARACTERS) for _ in range(3_000)]

    found = [parse_code(secrets.token_bytes(32), MEETING, guess) for guess in guesses]

    assert not any(link and ids.index_of(link.holder_id) < 1_000_000 for link in found)

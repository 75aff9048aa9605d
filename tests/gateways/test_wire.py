"""Octets from outside, whatever they are: read, or refused with a reason; nothing else happens."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateways import lines
from voting_portal.gateways import cmpp, sgip, smgp, smpp
from voting_portal.gateways.dialect import LoginRefused, Request
from voting_portal.gateways.links import Ear
from voting_portal.gateways.simulator.dialects import CARRIERS
from voting_portal.gateways.sockets import SOCKET_DIALECTS
from voting_portal.gateways.wire import (
    IS_ANSWER,
    U8,
    U32,
    Counted,
    Header,
    Layout,
    Malformed,
    Pdu,
    Stream,
    Tail,
    Terminated,
    pack_parameters,
    raw,
    read_parameters,
    text,
)

TABLE = Layout(
    one=U8, name=text(6), word=Terminated(9), four=U32, id=raw(3), content=Counted(1), rest=Tail()
)
BODIES = [
    layout
    for module in (smgp, smpp, sgip)
    for layout in vars(module).values()
    if isinstance(layout, Layout)
] + [
    layout
    for version in cmpp.VERSIONS.values()
    for layout in vars(version).values()
    if isinstance(layout, Layout)
]
ascii_text = st.text(st.characters(min_codepoint=33, max_codepoint=126))


def dialect_of(account):
    options = {**lines.ACCOUNTS[account], "listen": "127.0.0.1:0"}
    return SOCKET_DIALECTS[options["dialect"]](options)


def carrier_of(account):
    options = {**lines.ACCOUNTS[account], "listen": "127.0.0.1:0"}
    return CARRIERS[options["dialect"]](options)


def octets_for(draw, body):
    """Octets that come close to a body of this layout: one of zeros, cut, overwritten, longer."""
    whole = bytearray(body.pack())
    if whole:
        at = draw(st.integers(0, len(whole) - 1))
        whole[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=24))
    return bytes(whole[: draw(st.integers(0, len(whole)))]) + draw(st.binary(max_size=8))


@given(
    one=st.integers(0, 255),
    name=ascii_text.filter(lambda t: len(t) <= 6),
    word=ascii_text.filter(lambda t: len(t) <= 8),
    four=st.integers(0, 2**32 - 1),
    id=st.binary(min_size=3, max_size=3),
    content=st.binary(max_size=255),
    rest=st.binary(max_size=40),
)
def test_what_was_packed_is_read_back(**values):
    assert TABLE.read(TABLE.pack(**values)) == values


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"one": 256}, "one"),
        ({"four": -1}, "four"),
        ({"name": "sevenxx"}, "name is longer than 6"),
        ({"id": b"1234"}, "id is longer than 3"),
        ({"word": "ninechars"}, "word is longer than 8"),
        ({"word": b"a\0b"}, "word"),
        ({"content": b"x" * 256}, "content is too long"),
        ({"pigeon": 1}, "no such field: pigeon"),
    ],
)
def test_a_value_that_does_not_fit_is_named(values, what):
    with pytest.raises(ValueError, match=what):
        TABLE.pack(**values)


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"", "it ends within one"),
        (b"\1name\0\0word without an end", "word does not end"),
        (b"\1name\0\0w\0\0\0\0\4abc\5abc", "it ends within content"),
        (b"\1name\0\0w\0\0\0\0\4abc", "it ends within content"),
    ],
)
def test_a_body_that_does_not_fit_says_where(octets, what):
    with pytest.raises(Malformed, match=what):
        TABLE.read(octets)


def test_octets_behind_the_last_field_are_too_many():
    with pytest.raises(Malformed, match="2 octets too many"):
        Layout(one=U8).read(b"\1\2\3")


@given(st.binary(max_size=64))
def test_any_octets_are_parameters_or_refused(octets):
    try:
        found = read_parameters(octets)
    except Malformed:
        return

    assert all(value in octets for value in found.values())


@given(st.dictionaries(st.integers(0, 65_535), st.binary(max_size=20), max_size=5))
def test_parameters_are_read_back(values):
    assert read_parameters(pack_parameters(values)) == values


@pytest.mark.parametrize("account", lines.ACCOUNTS)
@given(data=st.data(), command=st.integers(0, 9) | st.integers(0, 2**32 - 1))
def test_any_pdu_is_understood_or_malformed(account, data, command):
    dialect, carrier = dialect_of(account), carrier_of(account)
    body = octets_for(data.draw, data.draw(st.sampled_from(BODIES)))
    pdu = Pdu(command, next(carrier.sequences()), body, data.draw(st.integers(0, 255)))
    login = Request(1, cmpp.CONNECT_BODY.pack())
    reasons = []

    for read in (
        dialect.hear,
        dialect.verdict,
        lambda pdu: dialect.check_login(login, pdu),
        carrier.read_submit,
        carrier.answer_login,
    ):
        try:
            read(pdu)
        except (Malformed, LoginRefused) as refusal:
            reasons.append(str(refusal))

    assert all(reasons)


class Collected(Stream):
    """A stream that only collects."""

    def __init__(self, header):
        super().__init__(header)
        self.pdus = []
        self.ends = 0
        self._transport = SimpleNamespace(abort=self._end, close=self._end)

    def _end(self):
        self.ends += 1

    def received(self, pdu):
        self.pdus.append(pdu)


@given(
    bodies=st.lists(st.binary(max_size=30), max_size=6),
    cuts=st.lists(st.integers(1, 20), min_size=1, max_size=30),
)
def test_pdus_are_the_same_wherever_the_stream_is_cut(bodies, cuts):
    sent = [Pdu(4, number, body) for number, body in enumerate(bodies)]
    octets = b"".join(Header().pack(pdu) for pdu in sent)
    stream = Collected(Header())

    for size in cuts * (len(octets) + 1):
        stream.data_received(octets[:size])
        octets = octets[size:]

    assert stream.pdus == sent


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_a_stream_of_anything_ends_once_with_a_reason_or_waits(chunks):
    stream = Collected(Header())

    for chunk in chunks:
        stream.data_received(chunk)

    assert stream.ends == int(bool(stream.end))
    assert not stream.end or stream.end.startswith("garbage: a PDU of ")


@pytest.mark.parametrize("length", [0, 11, 65_537, 2**32 - 1])
def test_a_length_that_cannot_be_ends_the_stream_at_once(length):
    stream = Collected(Header())

    stream.data_received(length.to_bytes(4) + b"x" * 20)

    assert stream.end == f"garbage: a PDU of {length} octets"
    assert stream.pdus == []


@pytest.mark.parametrize("account", lines.ACCOUNTS)
@given(st.binary(max_size=60), st.integers(1, 9))
def test_a_link_ends_with_a_reason_when_it_hears_what_it_cannot_read(account, body, command):
    dialect = dialect_of(account)
    kept = []
    account = SimpleNamespace(dialect=dialect, keep=lambda *heard: kept.append(heard))
    ear, ends = Ear(account), []
    ear._transport = SimpleNamespace(
        abort=lambda: ends.append(1), close=lambda: ends.append(1), write=lambda _octets: None
    )
    ear.is_ready = True

    sequence = next(dialect.sequences())
    ear.data_received(dialect.header.pack(Pdu(command & ~IS_ANSWER, sequence, body)))

    assert len(ends) == int(bool(ear.end))

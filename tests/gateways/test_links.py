"""Links of an account: windows, pace, order, what breaks, and what is said of it."""

from __future__ import annotations

import gc
import socket
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from tests.gateways import lines
from tests.gateways.lines import until
from voting_portal.gateways import Message, Outcome, accounts, links
from voting_portal.gateways.cmpp import Cmpp
from voting_portal.gateways.dialect import Request, Verdict
from voting_portal.gateways.parcels import Parcel
from voting_portal.gateways.simulator.carrier import Faults
from voting_portal.gateways.simulator.dialects import CmppCarrier

PHONE, UNREACHABLE = "15400000001", "15400000013"
LONG = "【上证信息】" + "长" * 150  # three segments

ACCEPTED, REJECTED = Verdict(Outcome.ACCEPTED, "id"), Verdict(Outcome.REJECTED, reason="no")
THROTTLED, UNKNOWN = Verdict(Outcome.THROTTLED, reason="fast"), Verdict(Outcome.UNKNOWN)
NOT_SENT, OURS = Verdict(Outcome.NOT_SENT), Verdict(Outcome.MISCONFIGURED)


def messages(number, text="票", first=1):
    return [Message(str(n), PHONE, text) for n in range(first, first + number)]


def outcomes(results):
    return [result.outcome for result in results]


@pytest.fixture
def line(tmp_path):
    with lines.line_to_carrier("cmpp3", tmp_path / "inbox.sqlite3") as line:
        yield line


@pytest.fixture
def open_line(tmp_path):
    """Open a line to a carrier with these options; it ends with the test."""
    opened = []

    def open_one(account="cmpp3", **options):
        context = lines.line_to_carrier(account, tmp_path / "inbox.sqlite3", **options)
        opened.append(context)
        return context.__enter__()

    yield open_one
    for context in opened:
        context.__exit__(None, None, None)


def test_a_link_keeps_no_more_than_its_window_unanswered(open_line, monkeypatch):
    unanswered, most = [0], [0]
    answer = CmppCarrier.read_submit

    def count(_session, pdu):
        unanswered[0] -= 1
        return answer(_session, pdu)

    line = open_line(window=16)
    monkeypatch.setattr(CmppCarrier, "read_submit", count)
    submit = links.Link.submit

    def leave(link, segment):
        unanswered[0] += 1
        most[0] = max(most[0], unanswered[0])
        submit(link, segment)

    monkeypatch.setattr(links.Link, "submit", leave)
    line.server.carrier.faults = Faults(delay=0.03)

    assert outcomes(line.gateway.send(messages(100))) == [Outcome.ACCEPTED] * 100
    assert 16 <= most[0] <= 17  # the answer is on its way when the carrier has counted it


def test_two_links_share_what_there_is(open_line, monkeypatch):
    by_link = Counter()
    submit = links.Link.submit

    def count(link, segment):
        by_link[link] += 1
        submit(link, segment)

    monkeypatch.setattr(links.Link, "submit", count)
    line = open_line(links=2)
    until(lambda: line.account.ready_links == 2)
    line.server.carrier.faults = Faults(delay=0.05)

    results = line.gateway.send(messages(128))

    assert outcomes(results) == [Outcome.ACCEPTED] * 128
    assert len(by_link) == 2
    assert min(by_link.values()) >= 32


def test_segments_leave_no_faster_than_was_agreed(open_line):
    line = open_line(rate=100)
    line.gateway.send(messages(1))
    began = time.monotonic()

    line.gateway.send(messages(20, LONG))

    assert time.monotonic() - began > 0.55  # sixty segments


def test_what_is_urgent_overtakes_what_waits(open_line):
    line = open_line(rate=50)
    with ThreadPoolExecutor(1) as pool:
        campaign = pool.submit(line.gateway.send, messages(40, first=100))
        time.sleep(0.1)

        (code,) = line.account.send(messages(1), is_urgent=True)

        assert code.outcome is Outcome.ACCEPTED
        assert not campaign.done()
        assert outcomes(campaign.result()) == [Outcome.ACCEPTED] * 40


def test_a_long_message_names_every_segment(line):
    (result,) = line.gateway.send([Message("1", PHONE, LONG)])

    assert len(set(result.refs)) == 3
    assert result.gateway_ref == result.refs[0]
    assert {told.gateway_ref for told in line.hear(3)} == set(result.refs)


def test_a_segment_that_is_throttled_alone_is_tried_again(open_line, monkeypatch):
    monkeypatch.setattr(accounts, "THROTTLE_SECONDS", 0.05)
    line = open_line()
    line.server.carrier.faults = Faults(throttle=1, delay=0.02)

    (result,) = line.gateway.send([Message("1", PHONE, LONG)])

    assert result.outcome is Outcome.ACCEPTED
    assert len(result.refs) == 3
    until(lambda: line.inbox.count() == 1)
    assert line.inbox.read()[0].text == LONG


def test_a_link_that_breaks_is_opened_again_and_only_what_had_left_is_unknown(open_line):
    line = open_line(window=4)
    line.server.carrier.faults = Faults(delay=0.1)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(line.gateway.send, messages(12))
        time.sleep(0.05)

        line.server.hang_up()

        assert outcomes(sending.result()) == [Outcome.UNKNOWN] * 4 + [Outcome.ACCEPTED] * 8


def test_no_submit_is_ever_repeated(open_line, monkeypatch):
    seen = []
    take = CmppCarrier.read_submit

    def note(carrier, pdu):
        seen.append(take(carrier, pdu).content)
        return take(carrier, pdu)

    monkeypatch.setattr(CmppCarrier, "read_submit", note)
    line = open_line(answer_seconds=0.2)
    line.server.carrier.faults = Faults(delay=0.5)

    results = line.gateway.send([Message(str(n), PHONE, str(n)) for n in range(5)])

    assert outcomes(results) == [Outcome.UNKNOWN] * 5
    time.sleep(0.6)
    assert len(seen) == len(set(seen))


def test_a_silent_link_is_tried_and_lives_on(open_line, monkeypatch):
    monkeypatch.setattr(Cmpp, "probe_seconds", 0.1)
    probes = []
    probe = Cmpp.probe
    monkeypatch.setattr(Cmpp, "probe", lambda self: probes.append(1) or probe(self))

    line = open_line()
    until(lambda: len(probes) >= 3)

    assert line.account.ready_links == 1
    assert len(line.server.sessions) == 1


def test_a_link_that_is_dead_is_found_out_and_replaced(open_line, monkeypatch):
    monkeypatch.setattr(Cmpp, "probe_seconds", 0.1)
    line = open_line(answer_seconds=0.2)
    until(lambda: line.account.ready_links == 1)
    (dead,) = line.server.sessions
    dead.received = lambda _pdu: None  # it reads, and says nothing any more

    until(lambda: [s for s in line.server.sessions if s is not dead])

    until(lambda: line.account.ready_links == 1)
    assert outcomes(line.gateway.send(messages(1))) == [Outcome.ACCEPTED]


def test_a_carrier_that_was_away_is_found_again(tmp_path):
    options = lines.options_of("cmpp3", url="tcp://127.0.0.1:9")
    with lines.carrier_of(options, tmp_path / "inbox.sqlite3") as server:
        port = server.port
    options["url"] = f"tcp://127.0.0.1:{port}"
    with lines.opened(options) as line:
        assert outcomes(line.gateway.send(messages(1))) == [Outcome.NOT_SENT]
        server = lines.SocketCarrier("cmpp", options, server.carrier, port)
        server.open()
        try:
            until(lambda: line.account.ready_links == 1)
        finally:
            server.close()


def test_attempts_to_connect_grow_rare(monkeypatch):
    pauses = []
    options = lines.options_of("cmpp3", url=lines.NOBODY)
    monkeypatch.setattr(accounts, "SHORTEST_PAUSE", 0.01)
    is_down = accounts.Account._is_down
    monkeypatch.setattr(
        accounts.Account,
        "_is_down",
        lambda self, verdict: pauses.append(time.monotonic()) or is_down(self, verdict),
    )

    with lines.opened(options):
        until(lambda: len(pauses) >= 6)

    gaps = [later - earlier for earlier, later in pairwise(pauses)]
    assert gaps == sorted(gaps)
    assert gaps[4] > 0.15


def test_a_report_is_answered_when_it_was_kept_and_not_before(tmp_path):
    tries, may_keep = [], threading.Event()

    def keep(told):
        tries.append(list(told))
        if not may_keep.is_set():
            raise OSError("the database is away")

    options = lines.options_of("cmpp3")
    with lines.carrier_of(options, tmp_path / "inbox.sqlite3") as server:
        options["url"] = f"tcp://127.0.0.1:{server.port}"
        server.carrier.faults = Faults(receipt_delay=0)
        with lines.opened(options, server=server, keep=keep) as line:
            line.gateway.send(messages(1))
            until(lambda: len(tries) >= 2)
            (session,) = server.sessions
            assert session.unanswered == 1

            may_keep.set()

            until(lambda: session.unanswered == 0)
    assert tries[0] == tries[1] == tries[-2]
    assert tries[-1] == []  # the end


def test_the_end_waits_for_answers_and_says_goodbye(tmp_path, caplog):
    caplog.set_level("INFO")
    with lines.line_to_carrier("cmpp3", tmp_path / "inbox.sqlite3", window=4) as line:
        line.server.carrier.faults = Faults(delay=0.2)
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(line.gateway.send, messages(10))
            time.sleep(0.1)

            line.account.close()

            assert outcomes(sending.result()) == [Outcome.ACCEPTED] * 4 + [Outcome.THROTTLED] * 6
        (later,) = line.gateway.send(messages(1))
        assert (later.outcome, later.retry_after) == (Outcome.THROTTLED, 0.0)
        assert line.server.sessions == []
        line.account.close = lambda: None  # once is enough


def carrier_side(inbox_file):
    options = lines.options_of("sgip")
    with lines.carrier_of(options, inbox_file) as server:
        yield server.port


def portal_side(_inbox_file):
    with lines.opened(lines.options_of("sgip", url=lines.NOBODY)) as line:
        yield line.account.listens_at


@pytest.mark.parametrize("side", [carrier_side, portal_side])
def test_who_closes_while_he_is_called_leaves_no_connection_open(tmp_path, side):
    def call(port):
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=0.05).close()
            except OSError:
                return  # nobody listens any more

    with warnings.catch_warnings(record=True) as left_open, ThreadPoolExecutor(1) as pool:
        warnings.simplefilter("always", ResourceWarning)
        for attempt in range(20):
            for port in side(tmp_path / f"{attempt}.sqlite3"):
                calling = pool.submit(call, port)
                time.sleep(0.02)
            calling.result()
        gc.collect()

    assert [str(warning.message) for warning in left_open] == []


def test_what_finds_no_place_in_time_is_given_back(open_line):
    line = open_line(window=1)
    line.server.carrier.faults = Faults(delay=0.3)

    results = line.account.send(messages(3), patience=0.1)

    assert outcomes(results) == [Outcome.ACCEPTED, Outcome.THROTTLED, Outcome.THROTTLED]


def test_a_process_without_the_links_sends_nothing_unless_there_is_an_intake():
    gateway = lines.SocketGateway("elsewhere", lines.options_of("cmpp3", url="tcp://127.0.0.1:9"))

    assert outcomes(gateway.send(messages(2))) == [Outcome.NOT_SENT] * 2
    assert gateway.has_own_process


def test_a_flood_of_reports_cannot_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(accounts, "MOST_HEARD", 10)
    stuck = threading.Event()
    options = lines.options_of("cmpp3")
    with lines.carrier_of(options, tmp_path / "inbox.sqlite3") as server:
        options["url"] = f"tcp://127.0.0.1:{server.port}"
        with lines.opened(options, server=server, keep=lambda _told: stuck.wait(60)) as line:
            server.carrier.faults = Faults(receipt_delay=0)
            line.gateway.send(messages(30))

            until(lambda: not server.sessions or line.account.ready_links == 0)

            assert len(line.account._heard) <= 11 * 2
            stuck.set()


def test_a_carrier_that_never_answers_the_login_gets_nothing_and_holds_nobody_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        with lines.opened(lines.options_of("cmpp3", url=url)) as line:
            results = line.account.send(messages(2), patience=0.2)

    assert outcomes(results) == [Outcome.NOT_SENT] * 2
    assert time.monotonic() - began < 5


def parcel_of(segments):
    done = []
    parcel = Parcel("1", [Request(4)] * segments, done=done.append)
    return parcel, done


@pytest.mark.parametrize(
    ("verdicts", "outcome", "refs"),
    [
        ([ACCEPTED, ACCEPTED], Outcome.ACCEPTED, ("id", "id")),
        ([ACCEPTED, UNKNOWN], Outcome.UNKNOWN, ()),
        ([ACCEPTED, REJECTED], Outcome.REJECTED, ()),
        ([UNKNOWN, REJECTED], Outcome.REJECTED, ()),
        ([ACCEPTED, NOT_SENT], Outcome.UNKNOWN, ()),
        ([ACCEPTED, OURS], Outcome.UNKNOWN, ()),
        ([REJECTED, THROTTLED], Outcome.REJECTED, ()),
        ([OURS, OURS], Outcome.MISCONFIGURED, ()),
        ([NOT_SENT, NOT_SENT], Outcome.NOT_SENT, ()),
        ([THROTTLED, THROTTLED], Outcome.THROTTLED, ()),
    ],
)
def test_of_a_message_one_thing_is_said_that_is_certain(verdicts, outcome, refs):
    parcel, done = parcel_of(2)
    for segment in parcel.segments:
        parcel.fly(segment)
        segment.tries = 99

    for segment, verdict in zip(parcel.segments, verdicts, strict=True):
        parcel.settle(segment, verdict)

    assert done == [parcel]
    result = parcel.result()
    assert (result.outcome, result.refs) == (outcome, refs)


def test_the_rest_of_a_message_stays_when_its_first_segment_is_refused():
    parcel, done = parcel_of(3)
    first = parcel.segments[0]
    parcel.fly(first)

    is_to_wait = parcel.settle(first, THROTTLED)

    assert not is_to_wait
    assert [segment.verdict for segment in parcel.segments] == [THROTTLED] * 3
    assert done == [parcel]


def test_the_rest_of_a_message_follows_when_the_answer_to_the_first_was_lost():
    parcel, done = parcel_of(2)
    first, second = parcel.segments
    parcel.fly(first)

    parcel.settle(first, UNKNOWN)

    assert second.verdict is None
    assert not done


@pytest.mark.parametrize("account", lines.ACCOUNTS)
def test_what_the_carrier_has_taken_is_on_the_handsets(account, open_line):
    """So a carrier that is killed has lost nothing that it took, and each loss is ours."""
    line = open_line(account)

    results = line.account.send(messages(30, LONG))
    there = line.inbox.count()

    assert set(outcomes(results)) == {Outcome.ACCEPTED}
    assert there == 30

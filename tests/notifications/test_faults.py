"""Every fault of every carrier: nobody gets a message twice, nobody is forgotten.

A campaign of fourteen goes through the engine to the simulated carrier of each dialect, which goes
wrong in one way. What the books say at the end is what the phones show; where nobody can know it,
the delivery is parked with its reason, and nothing follows.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from notifications import receipts
from notifications.models import Delivery
from notifications.reasons import known_words
from notifications.wording import LinkMode, default_wording
from tests.factories import make_holders, make_meeting
from tests.gateways import http_ways, lines
from tests.gateways.lines import until
from tests.notifications.conftest import Running, start_campaign
from voting_portal.gateways import DIALECTS, accounts, http_exchange, pacing, parcels
from voting_portal.gateways.simulator.carrier import Faults, shows_cards
from voting_portal.gateways.simulator.carriers import CARRIERS as OVER_HTTP
from voting_portal.gateways.simulator.dialects import CARRIERS as OVER_SOCKETS

State = Delivery.State
HOLDERS = 14  # of whom the thirteenth is out of reach
PHONES = [f"154{number:08d}" for number in range(1, HOLDERS + 1)]
LAST_WORDS_SECONDS = 0.1  # for a late receipt that would lower a state
PATIENCE_SECONDS, TOO_LATE_SECONDS = 0.3, 0.6
NAMES = sorted({*OVER_HTTP, *lines.ACCOUNTS})  # of dialects, and of CMPP both versions
# What comes through all the same, and what leaves nobody knowing.
PASSING = {
    "throttle": {"throttle": 2},
    "duplicate": {"duplicate_receipts": True},
    "reorder": {"reordered_receipts": True},
    "delay": {"delay": 0.05},
    "slow": {"slow": 0.02},
}
BLINDING = {
    "drop": {"drop": True},
    "garbage": {"garbage": True},
    "too late": {"delay": TOO_LATE_SECONDS},
}
# Their receipts name a message without anything that its answer had to say.
NAME_IT_THEMSELVES = {
    *("http_batch", "webhook", "alibaba_rcs", "tencent", "botmessage", "kannel", "yuexin_links"),
    "sgip",
}
# Theirs say when a card was looked at, which counts over all that comes before or after it.
SAY_READ = {"botmessage", "openchatbot", "yuexin", "yuexin_links"}


class Carried:
    """A gateway of one dialect in the settings, its carrier's faults, and what it reports."""

    def __init__(self, name, carrier, take):
        self.name, self.inbox = name, carrier.inbox
        self._carrier, self._take = carrier, take

    def ask(self, **faults):
        self._carrier.faults = Faults(receipt_delay=0.02, **faults)

    def apply(self):
        """Take in and apply what was reported by now."""
        self._take()
        receipts.apply_waiting(now=timezone.now() + timedelta(seconds=31))

    def shown(self):
        """How many messages each phone shows."""
        return Counter(message.phone for message in self.inbox.read(limit=1_000))


@contextmanager
def carried_over_http(dialect, inbox_file, settings):
    with http_ways.way_over(dialect, inbox_file) as way:
        mode = "code" if "投票码" in str(way.options) else "personal"
        settings.GATEWAYS = {dialect: {**way.options, "rate": 100_000, "link_mode": mode}}

        def take():
            while not way.posted.empty():
                headers, body = way.posted.get()
                receipts.take_in(dialect, headers=headers, body=body, now=timezone.now())

        yield Carried(dialect, way.carrier, take)


@contextmanager
def carried_over_sockets(account, inbox_file, settings):
    options = lines.options_of(account, answer_seconds=http_exchange.TIMEOUT_SECONDS)
    with lines.carrier_of(options, inbox_file) as server:
        options["url"] = f"tcp://127.0.0.1:{server.port}"
        settings.GATEWAYS = {account: options}
        with lines.opened(options, server=server, name=account) as line:

            def take():
                heard = []
                while not line.told.empty():
                    heard.append(line.told.get())
                receipts.take_lines(account, heard, now=timezone.now())

            yield Carried(account, server.carrier, take)


@pytest.fixture(params=NAMES)
def carried(request, tmp_path, settings, monkeypatch):
    if request.node.callspec.params["fault"] == "too late":
        monkeypatch.setattr(http_exchange, "TIMEOUT_SECONDS", PATIENCE_SECONDS)
    for module in (accounts, parcels):
        monkeypatch.setattr(module, "THROTTLE_SECONDS", 0.02)
    hold_back = pacing.hold_back
    # A carrier's second is short here.
    monkeypatch.setattr(
        pacing, "hold_back", lambda gateway, *, seconds: hold_back(gateway, seconds=seconds / 50)
    )
    name = request.param
    over = carried_over_sockets if name in lines.ACCOUNTS else carried_over_http
    client = pacing.redis_client(settings.REDIS_URL)
    client.delete(f"pace:{name}", f"token:{name}", f"token-fetch:{name}")
    cache.clear()
    with over(name, tmp_path / "inbox.sqlite3", settings) as carried:
        yield carried


@pytest.fixture
def running(db, carried):
    meeting = make_meeting(motions=False)
    make_holders(meeting, HOLDERS)
    words = {"code_wording": default_wording(mode=LinkMode.CODE)}
    campaign = start_campaign(meeting, gateway=carried.name, **words)
    return Running(campaign, campaign.batches.get())


def send_all(running):
    """Send as the beat has it done: again, while something of the batch is left."""
    for _round in range(HOLDERS):
        running.send()
        if running.refresh().batch.state == "DONE":
            return
    pytest.fail(f"the batch is never done: {running.states()}, {running.campaign.pause_reason}")


def books(running):
    """The state of each phone's delivery."""
    return dict(zip(PHONES, running.deliveries.values_list("state", flat=True), strict=True))


def agrees(state, phone, *, is_shown, says_read):
    """Whether the state of a delivery is what its phone shows, and its carrier says of that."""
    if not is_shown:
        return state == State.FAILED
    if says_read and shows_cards(phone):
        return state == State.DISPLAYED
    return state in (State.NETWORK, State.DELIVERED)


def test_the_simulator_speaks_every_dialect():
    assert {*OVER_HTTP, *OVER_SOCKETS} == set(DIALECTS)
    assert {account["dialect"] for account in lines.ACCOUNTS.values()} == set(OVER_SOCKETS)


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_reaches_everybody_once_and_the_books_say_so(carried, running, fault):
    carried.ask(**PASSING[fault])

    send_all(running)

    until(lambda: books_agree(carried, running, may_be_unknown=False))
    time.sleep(LAST_WORDS_SECONDS)
    assert books_agree(carried, running, may_be_unknown=False)
    assert set(carried.shown().values()) == {1}
    assert len(carried.shown()) >= HOLDERS - 1


@pytest.mark.parametrize("fault", BLINDING)
def test_what_nobody_can_know_is_parked_with_its_reason_and_never_sent_again(
    carried, running, fault
):
    carried.ask(**BLINDING[fault])

    send_all(running)

    assert running.states() == {"UNKNOWN": HOLDERS}
    reasons = set(running.deliveries.values_list("reason", flat=True))
    assert reasons <= set(known_words(carried.name))
    carried.ask()
    running.send()
    assert set(books(running).values()) == {State.UNKNOWN}

    # Over sockets what was in flight with the answer that broke the link is gone, too.
    if fault == "too late" or carried.name in OVER_HTTP:
        until(lambda: len(carried.shown()) >= HOLDERS - 1)
    until(lambda: books_agree(carried, running, may_be_unknown=True))
    if carried.name in NAME_IT_THEMSELVES:
        until(lambda: not unknown_ones(carried, running))
    assert set(carried.shown().values()) <= {1}


def books_agree(carried, running, *, may_be_unknown):
    """Whether the books say what the phones show."""
    carried.apply()
    shown = carried.shown()
    return all(
        (may_be_unknown and state == State.UNKNOWN)
        or agrees(state, phone, is_shown=shown[phone], says_read=carried.name in SAY_READ)
        for phone, state in books(running).items()
    )


def unknown_ones(carried, running):
    """Phones that show the message, of which the books do not know it."""
    carried.apply()
    states = books(running)
    return [phone for phone in carried.shown() if states[phone] == State.UNKNOWN]

"""5G阅信 in two steps: a link of its own for each message, then the SMS that carries it."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from tests.gateways.http_ways import TWO_STEPS, message, way_over
from voting_portal.gateways import DIALECTS, Outcome, http_exchange
from voting_portal.gateways.protocol import LinksExpire, NotFromGateway, ReceiptLine, Report
from voting_portal.gateways.simulator.carrier import Answer

REACHABLE, WITHOUT_CARDS, UNREACHABLE = "15400000001", "15400000018", "15400000013"
LINK = "https://vote.example/v/1abcd2efgh3ijkl4mnop5qrst"
TEXT = f"【上证信息】您持有的虚构一开股东会,点此投票 {LINK} 请勿转发"


@pytest.fixture
def way(tmp_path):
    with way_over("yuexin_links", tmp_path / "inbox.sqlite3") as way:
        yield way


def notice(ref="1", phone=REACHABLE):
    return message(ref, phone, text=TEXT, link=LINK)


def outcomes(results):
    return [result.outcome for result in results]


def test_a_link_is_asked_for_as_the_platform_documents_it_and_without_a_number(way):
    way.gateway.send([notice("4711")])

    assert way.carrier.asked == [
        {
            "tpl_id": "600000001",
            "sms_signs": ["上证信息"],
            "resolving_times": 1,
            "aim_code_type": "individual",
            "expiration_time": 7,
            "params": [
                {"cust_flag": "4711", "dync_params": {"title": "虚构一"}, "custom_url": LINK}
            ],
        }
    ]
    assert REACHABLE not in json.dumps(way.carrier.asked)


def test_a_phone_that_draws_cards_shows_one_and_both_are_reported_by_our_reference(way):
    (result,) = way.gateway.send([notice()])

    (card,) = way.inbox.read(phone=REACHABLE)
    assert (result.outcome, result.refs) == (Outcome.ACCEPTED, ())
    assert (card.kind, card.title, card.link) == ("card", "上证信息", LINK)
    assert {(line.ref, line.report) for line in way.hear(2)} == {
        ("1", Report.DELIVERED),
        ("1", Report.DISPLAYED),
    }


def test_another_phone_shows_the_sms_with_the_short_link(way):
    way.gateway.send([notice(phone=WITHOUT_CARDS)])

    (sms,) = way.inbox.read(phone=WITHOUT_CARDS)
    assert sms.text == "【上证信息】您持有的虚构一开股东会,点此投票 km2n.example/000000 请勿转发"
    assert way.hear(1) == [ReceiptLine("1", Report.DELIVERED)]


def test_what_is_sent_again_has_a_new_link(way):
    way.gateway.send([notice()])
    way.gateway.send([notice()])

    assert len(way.carrier.cards) == 2
    assert isinstance(way.gateway, LinksExpire)
    assert way.gateway.link_days == 7


def test_who_gets_no_link_gets_no_sms(way):
    way.carrier.links_to_refuse = 1

    results = way.gateway.send([notice("1"), notice("2", "15400000002")])

    assert outcomes(results) == [Outcome.REJECTED, Outcome.ACCEPTED]
    assert results[0].reason == "NO_LINK"
    assert [m.phone for m in way.inbox.read()] == ["15400000002"]


def test_while_links_cannot_be_made_nothing_left_and_that_is_certain(way):
    way.gateway._endpoint = http_exchange.Endpoint("http://127.0.0.1:9")

    results = way.gateway.send([notice()])

    assert outcomes(results) == [Outcome.NOT_SENT]
    assert way.inbox.count() == 0


@pytest.mark.parametrize("status", [500, 502])
def test_a_failing_platform_sends_nothing(way, monkeypatch, status):
    monkeypatch.setattr(type(way.carrier), "tell", lambda _carrier, _post: Answer(status))

    assert outcomes(way.gateway.send([notice()])) == [Outcome.NOT_SENT]
    assert way.inbox.count() == 0


def test_a_platform_that_does_not_know_us_is_our_own_fault(way):
    way.gateway._secret = "a guess"

    assert outcomes(way.gateway.send([notice()])) == [Outcome.MISCONFIGURED]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"throttle": 1}, Outcome.THROTTLED),
        ({"drop": True}, Outcome.UNKNOWN),
        ({"garbage": True}, Outcome.UNKNOWN),
        ({"error": 503}, Outcome.UNKNOWN),
        ({"error": 404}, Outcome.MISCONFIGURED),
    ],
)
def test_what_is_certain_of_the_second_step_is_what_the_sms_gateway_says(way, fault, outcome):
    way.ask(**fault)

    assert outcomes(way.gateway.send([notice()])) == [outcome]


def test_a_receipt_that_nobody_signed_is_refused(way):
    forged = json.dumps([{"id": "1", "status": "delivered"}]).encode()

    with pytest.raises(NotFromGateway):
        way.gateway.read_receipts({}, forged, now=timezone.now())


def test_it_sends_only_by_what_reports_by_our_reference():
    options = {"url": "http://127.0.0.1:1", "rate": 1, **TWO_STEPS, "sms": {"dialect": "alibaba"}}

    with pytest.raises(ImproperlyConfigured, match="http_batch, kannel, tencent"):
        DIALECTS["yuexin_links"]("card", options)

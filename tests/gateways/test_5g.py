"""What is particular to 5G messages: cards, tokens, callbacks, revoking, and falling back."""

from __future__ import annotations

import json
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from tests.gateways.http_ways import BOT, message, until, way_over
from voting_portal.gateways import DIALECTS, Outcome, access_tokens, nonces, pacing
from voting_portal.gateways.botmessage import receipt_signature
from voting_portal.gateways.cards import BUTTON, OPT_OUT, suggestions
from voting_portal.gateways.message_ids import message_id, ref_of
from voting_portal.gateways.protocol import (
    CanGreet,
    CanRevoke,
    Handed,
    NotFromGateway,
    ReceiptLine,
    Reply,
    Report,
)

REACHABLE, UNREACHABLE, WITHOUT_CARDS = "15400000001", "15400000013", "15400000018"
LINK = "https://vote.example/v/1abcd2efgh3ijkl4mnop5qrst"
APP_KEY = BOT["app_key"].encode()


@pytest.fixture(autouse=True)
def redis(settings):
    client = pacing.redis_client(settings.REDIS_URL)
    client.delete("token:botmessage", "token-fetch:botmessage")
    return client


@pytest.fixture(params=["botmessage", "openchatbot"])
def either(request, tmp_path):
    with way_over(request.param, tmp_path / "inbox.sqlite3") as way:
        yield way


@pytest.fixture
def way(tmp_path):
    with way_over("botmessage", tmp_path / "inbox.sqlite3") as way:
        yield way


def outcomes(results):
    return [result.outcome for result in results]


def test_a_card_has_a_title_a_text_and_a_button_that_opens_the_link(either):
    either.gateway.send(
        [message("1", REACHABLE, link=LINK, text=f"【上证信息】请投票 {LINK} 谢谢")]
    )

    (card,) = either.inbox.read()
    assert card.kind == "rcs"
    assert card.title == "虚构一2026年第二次临时股东会"
    assert card.text == "【上证信息】请投票 谢谢"
    assert (card.link, card.button) == (LINK, BUTTON)


def test_a_text_without_a_title_arrives_as_a_text(either):
    either.gateway.send([message("1", REACHABLE, title="", text="【上证信息】验证码123456")])

    assert [m.text for m in either.inbox.read()] == ["【上证信息】验证码123456"]


def test_a_phone_without_5g_messages_gets_the_sms_from_the_network(way):
    sent = message("1", WITHOUT_CARDS)

    way.gateway.send([sent])

    (sms,) = way.inbox.read()
    assert (sms.kind, sms.text) == ("sms", sent.text)
    (line,) = way.hear(1)
    assert (line.ref, line.report) == ("1", Report.NETWORK)


def test_without_the_networks_sms_such_a_phone_is_reported_as_failed(tmp_path):
    with way_over("botmessage", tmp_path / "inbox.sqlite3", sms_fallback=False) as way:
        way.gateway.send([message("1", WITHOUT_CARDS)])

        (line,) = way.hear(1)

        assert (line.report, line.reason) == (Report.FAILED, "2")
        assert way.inbox.count() == 0


def test_a_message_is_reported_step_by_step_until_it_is_seen(way):
    way.gateway.send([message("1", REACHABLE)])

    reports = [line.report for line in way.hear(3)]

    assert reports == [Report.NETWORK, Report.DELIVERED, Report.DISPLAYED]


@pytest.mark.parametrize(
    ("code", "report"), [("1", Report.FAILED), ("4", Report.UNREACHED), ("5", Report.FAILED)]
)
def test_a_phone_that_is_offline_is_not_lost_for_good(way, code, report):
    info = {"messageId": message_id(APP_KEY, "7"), "status": "failed", "errorCode": code}

    lines = read(way, {"deliveryInfoList": [info]})

    assert lines == [ReceiptLine("7", report, code)]


def test_a_button_longer_than_the_carriers_take_is_refused_at_the_start():
    options = {**BOT, "url": "http://127.0.0.1:1", "rate": 1, "button": "立即参加网络投票"}
    assert DIALECTS["botmessage"]("rcs", options)  # 24 bytes

    with pytest.raises(ImproperlyConfigured, match="25 bytes"):
        DIALECTS["botmessage"]("rcs", {**options, "button": "立即参加网络投票吧"})


def test_all_workers_share_one_token(way):
    gateways = [DIALECTS["botmessage"]("botmessage", way.options) for _worker in range(4)]
    together = Barrier(4)

    def send(gateway):
        together.wait()
        return gateway.send([message("1", REACHABLE)])[0].outcome

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(send, gateways))

    assert found == [Outcome.ACCEPTED] * 4
    assert way.carrier.tokens_given == 1


def test_a_token_that_died_is_fetched_anew_and_the_message_goes_once(way):
    way.gateway.send([message("1", REACHABLE)])
    way.carrier.token = "another one"  # as when somebody else fetched

    results = way.gateway.send([message("2", REACHABLE)])

    assert outcomes(results) == [Outcome.ACCEPTED]
    assert way.carrier.tokens_given == 2
    assert way.inbox.count() == 2


def test_a_dead_token_of_a_slow_worker_does_not_end_the_new_one(redis):
    redis.set("token:botmessage", "new")

    access_tokens.forget("botmessage", "old")

    assert redis.get("token:botmessage") == b"new"


def test_without_redis_nobody_has_a_token_and_nothing_is_sent(way, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"

    results = way.gateway.send([message("1", REACHABLE)])

    assert outcomes(results) == [Outcome.NOT_SENT]
    assert way.inbox.count() == 0


def test_a_message_under_way_can_be_taken_back(way):
    assert isinstance(way.gateway, CanRevoke)
    way.ask(keep=True)
    (result,) = way.gateway.send([message("1", REACHABLE)])
    way.ask()

    asked = [Handed("1", result.gateway_ref, REACHABLE, timezone.now())]
    tried = way.gateway.revoke(asked)

    assert tried == {"1": True}
    assert way.carrier.revoked == [result.gateway_ref]
    assert [(line.ref, line.report) for line in way.hear(1)] == [("1", Report.REVOKED)]


def test_whoever_taps_the_suggestion_has_opted_out(way):
    way.carrier.tap(REACHABLE, suggestions()["suggestions"][0]["reply"])

    assert way.hear(1) == [Reply(REACHABLE, "退订")]
    assert len(OPT_OUT.encode()) <= 25


def test_what_people_write_back_is_heard(either):
    if either.dialect == "botmessage":
        part = {"contentType": "text/plain", "contentText": "怎么投票"}
        content = {"senderAddress": f"tel:+86{REACHABLE}", "messageList": [part]}
    else:
        content = {
            "senderAddress": f"tel:+86{REACHABLE}",
            "contentType": "text/plain",
            "contentEncoding": "base64",
            "bodyText": "5oCO5LmI5oqV56Wo",
        }

    assert read(either, content) == [Reply(REACHABLE, "怎么投票")]


def test_china_mobiles_reports_name_the_platforms_id(tmp_path):
    with way_over("openchatbot", tmp_path / "inbox.sqlite3") as way:
        (result,) = way.gateway.send([message("1", UNREACHABLE)])

        (line,) = way.hear(1)

    assert line == ReceiptLine("", Report.FAILED, "SVC5001", result.refs[0], UNREACHABLE)


def test_a_message_that_china_mobile_took_back_is_reported_so(tmp_path):
    with way_over("openchatbot", tmp_path / "inbox.sqlite3") as way:
        content = {"address": f"tel:+86{REACHABLE}", "messageId": "x", "status": "Revoked"}

        (line,) = read(way, content)

    assert (line.gateway_ref, line.report) == ("x", Report.REVOKED)


def headers(way, *, nonce="n1", minutes=0, token=BOT["receipt_token"]):
    if way.dialect == "openchatbot":
        return {"Authorization": 'Username="app",Password="app key of the tests"'}
    timestamp = str(int(timezone.now().timestamp()) + 60 * minutes)
    signature = receipt_signature(token, timestamp=timestamp, nonce=nonce)
    return {"timestamp": timestamp, "nonce": nonce, "signature": signature}


def read(way, content, **changes):
    body = json.dumps(content).encode()
    nonce = f"{way.carrier.inbox.count()}{body!r}{timezone.now()}"
    given = headers(way, **{"nonce": nonce, **changes})
    return way.gateway.read_receipts(given, body, now=timezone.now())


REPORT = {"deliveryInfoList": [{"messageId": message_id(APP_KEY, "1"), "status": "delivered"}]}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"token": "guess"}, "wrong"),
        ({"minutes": -6}, "too old"),
        ({"minutes": 6}, "too old"),
        ({"nonce": ""}, "not signed"),
    ],
)
def test_a_callback_that_is_not_rightly_signed_is_refused(way, change, why):
    with pytest.raises(NotFromGateway, match=why):
        read(way, REPORT, **change)


def test_a_callback_seen_on_its_way_cannot_be_used_for_another_body(way, redis):
    redis.delete(*redis.keys("nonce:*") or ["none"])
    first = read(way, REPORT, nonce="once")

    again = read(way, REPORT, nonce="once")
    with pytest.raises(NotFromGateway, match="nonce"):
        read(way, {"deliveryInfoList": []}, nonce="once")

    assert again == first


def test_without_redis_a_callback_is_left_for_later(way, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"

    with pytest.raises(nonces.NonceStoreAway):
        read(way, REPORT)


def test_an_id_that_was_never_given_out_is_passed_over(way):
    made_up = {"messageId": "2827c3a6-ee61-81ea-a172-fa163e6a8a4e", "status": "delivered"}
    foreign = {"messageId": message_id(b"another key", "1"), "status": "delivered"}
    ours = REPORT["deliveryInfoList"]

    lines = read(way, {"deliveryInfoList": [made_up, *ours, foreign]})

    assert [line.ref for line in lines] == ["1"]


def test_the_carrier_that_looks_gets_its_echo_and_our_name(way):
    assert isinstance(way.gateway, CanGreet)
    given = {**headers(way, nonce="look"), "echoStr": "hello"}

    answer = way.gateway.greet(given, now=timezone.now())

    assert answer.headers == {"echoStr": "hello", "appId": "app"}
    with pytest.raises(NotFromGateway):
        way.gateway.greet({**given, "signature": "0" * 64}, now=timezone.now())
    with pytest.raises(NotFromGateway):
        way.gateway.greet({**given, "echoStr": "a\r\nSet-Cookie: b"}, now=timezone.now())


@pytest.mark.parametrize("ref", ["1", "9223372036854775807", "72057594037927936"])
def test_an_id_carries_its_reference_there_and_back(ref):
    number = message_id(b"key", ref)

    assert number == message_id(b"key", ref)
    assert number[14] == "8"
    assert number[19] in "89ab"
    assert ref_of(b"key", number) == ref


@pytest.mark.parametrize("ref", ["code-7", "0", "007", "-1", "9223372036854775808", "²"])
def test_an_id_of_another_reference_is_an_id_all_the_same(ref):
    number = message_id(b"key", ref)

    assert number != message_id(b"key", ref + "x")
    if ref != "0":
        with pytest.raises(ValueError, match="not given out"):
            ref_of(b"key", number)


def test_every_bit_of_an_id_counts():
    number = int(message_id(b"key", "12345").replace("-", ""), 16)
    fixed = {127 - bit for bit in (48, 49, 50, 51, 64, 65)}

    for bit in set(range(128)) - fixed:
        changed = f"{number ^ 1 << bit:032x}"
        with pytest.raises(ValueError, match="not given out"):
            ref_of(b"key", changed)


def test_the_chatbot_stands_quoted_in_the_address(way):
    seen = []
    take = way.carrier.answer
    way.carrier.answer = lambda post: seen.append(post.target) or take(post)

    way.gateway.send([message("1", REACHABLE)])

    until(lambda: len(seen) == 2)
    bot = urllib.parse.quote(BOT["chatbot_id"], safe="")
    assert seen == [f"/{bot}/accessToken", f"/{bot}/messages"]

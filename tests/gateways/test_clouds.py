"""What is particular to the clouds' dialects: templates, batches, questions, cards."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from tests.gateways.http_ways import KEY, OPTIONS, message, way_over
from voting_portal.gateways import DIALECTS, Message, Outcome
from voting_portal.gateways.protocol import (
    CanLookUp,
    CannotAsk,
    CanQuery,
    Handed,
    ReceiptLine,
    Reply,
    Report,
)

REACHABLE, UNREACHABLE, WITHOUT_CARDS = "15400000001", "15400000013", "15400000018"
LINK = "https://vote.example/v/1abcd2efgh3ijkl4mnop5qrst"


@pytest.fixture
def alibaba(tmp_path):
    with way_over("alibaba", tmp_path / "inbox.sqlite3") as way:
        yield way


@pytest.fixture
def tencent(tmp_path):
    with way_over("tencent", tmp_path / "inbox.sqlite3") as way:
        yield way


@pytest.fixture
def cards(tmp_path):
    with way_over("alibaba_card", tmp_path / "inbox.sqlite3") as way:
        yield way


@pytest.fixture
def yuexin(tmp_path):
    with way_over("yuexin", tmp_path / "inbox.sqlite3") as way:
        yield way


def outcomes(results):
    return [result.outcome for result in results]


def handed(result, phone, **changes):
    return replace(Handed(result.ref, result.gateway_ref, phone, timezone.now()), **changes)


def test_a_batch_of_a_hundred_is_one_request_under_one_name(alibaba):
    results = alibaba.gateway.send([message(str(n), f"154{n:07d}1") for n in range(100)])

    assert outcomes(results) == [Outcome.ACCEPTED] * 100
    assert len({result.refs for result in results}) == 1
    assert alibaba.inbox.read(limit=1)[0].text == "【上证信息】[SMS_1] 虚构一 7K3P9QXM"


def test_one_bad_number_among_a_hundred_costs_nobody_else_the_message(alibaba):
    sent = [message(str(n), f"154{n:07d}1") for n in range(100)]
    sent[37] = message("37", "12")

    results = alibaba.gateway.send(sent)

    rejected = [result for result in results if result.outcome is Outcome.REJECTED]
    assert [(r.ref, r.reason) for r in rejected] == [("37", "isv.MOBILE_NUMBER_ILLEGAL")]
    assert alibaba.inbox.count() == 99
    assert len({m.phone for m in alibaba.inbox.read(limit=200)}) == 99


def test_words_too_long_for_a_blank_are_not_even_sent(alibaba):
    long, right = (
        message("1", REACHABLE, variables={"简称": "长" * 36, "投票码": "1"}),
        message("2", REACHABLE),
    )

    results = alibaba.gateway.send([long, right])

    assert outcomes(results) == [Outcome.REJECTED, Outcome.ACCEPTED]
    assert results[0].reason == "BLANK_LENGTH"
    assert alibaba.inbox.count() == 1


def test_a_notice_and_a_code_find_their_own_templates(tmp_path):
    templates = [*OPTIONS["alibaba"]["templates"], {"code": "SMS_2", "words": {"code": "验证码"}}]
    with way_over("alibaba", tmp_path / "inbox.sqlite3", templates=templates) as way:
        code = Message("code-1", REACHABLE, "验证码123456", variables={"验证码": "123456"})

        results = way.gateway.send([message("1", REACHABLE), code])

        assert outcomes(results) == [Outcome.ACCEPTED] * 2
        texts = {m.text for m in way.inbox.read()}
    assert texts == {"【上证信息】[SMS_1] 虚构一 7K3P9QXM", "【上证信息】[SMS_2] 123456"}


@pytest.mark.parametrize("dialect", ["alibaba", "alibaba_rcs", "tencent", "yuexin"])
def test_a_message_without_the_words_of_any_template_is_our_own_fault(dialect, tmp_path):
    with way_over(dialect, tmp_path / "inbox.sqlite3") as way:
        results = way.gateway.send([Message("1", REACHABLE, "text")])

        assert outcomes(results) == [Outcome.MISCONFIGURED]
        assert results[0].reason == "NO_TEMPLATE"
        assert way.inbox.count() == 0


@pytest.mark.parametrize("dialect", ["alibaba", "tencent"])
def test_a_template_that_fills_in_a_link_is_refused_at_the_start(dialect):
    options = {**OPTIONS[dialect], "url": "http://127.0.0.1:1", "rate": 1}
    options["templates"] = [{"code": "SMS_1", "words": ["链接"]}]

    with pytest.raises(ImproperlyConfigured, match="forbids"):
        DIALECTS[dialect](dialect, options)


@pytest.mark.parametrize("dialect", ["alibaba", "tencent"])
def test_what_became_of_a_message_can_be_asked(dialect, tmp_path):
    with way_over(dialect, tmp_path / "inbox.sqlite3") as way:
        assert isinstance(way.gateway, CanQuery)
        arrives, does_not = way.gateway.send([message("1", REACHABLE), message("2", UNREACHABLE)])

        asked = [handed(arrives, REACHABLE), handed(does_not, UNREACHABLE)]
        asked.append(Handed("3", "", "15400000021", timezone.now()))  # never sent
        lines = way.gateway.query(asked)

    assert [(line.ref, line.report) for line in lines] == [
        ("1", Report.DELIVERED),
        ("2", Report.FAILED),
    ]


@pytest.mark.parametrize("dialect", ["alibaba", "tencent"])
def test_a_message_whose_answer_was_lost_is_found_again(dialect, tmp_path):
    with way_over(dialect, tmp_path / "inbox.sqlite3") as way:
        way.ask(drop=True)
        (unknown,) = way.gateway.send([message("1", REACHABLE)])

        lines = way.gateway.query([handed(unknown, REACHABLE)])

    assert unknown.outcome is Outcome.UNKNOWN
    assert [(line.ref, line.report) for line in lines] == [("1", Report.DELIVERED)]


def test_alibaba_says_nothing_where_two_messages_may_be_meant(alibaba):
    alibaba.ask(drop=True)
    alibaba.gateway.send([message("1", REACHABLE)])
    (unknown,) = alibaba.gateway.send([message("2", REACHABLE)])

    assert alibaba.gateway.query([handed(unknown, REACHABLE)]) == []


def test_alibaba_does_not_take_an_earlier_message_for_this_one(alibaba):
    alibaba.gateway.send([message("1", REACHABLE)])
    later = timezone.now() + timedelta(hours=1)

    assert alibaba.gateway.query([Handed("2", "", REACHABLE, later)]) == []


@pytest.mark.parametrize("dialect", ["alibaba", "alibaba_card", "alibaba_rcs", "tencent", "yuexin"])
def test_a_carrier_that_is_away_answers_no_question(dialect):
    options = {"url": "http://127.0.0.1:1", "rate": 1, **OPTIONS[dialect]}
    gateway = DIALECTS[dialect](dialect, options)

    can_look_up = isinstance(gateway, CanLookUp)
    ask = gateway.supports if can_look_up else gateway.query
    about = REACHABLE if can_look_up else Handed("1", "", REACHABLE, timezone.now())

    with pytest.raises(CannotAsk) as refusal:
        ask([about])

    assert REACHABLE not in str(refusal.value)


@pytest.mark.parametrize("dialect", ["alibaba_card", "alibaba_rcs", "yuexin"])
def test_which_phones_show_cards_can_be_asked(dialect, tmp_path):
    with way_over(dialect, tmp_path / "inbox.sqlite3") as way:
        shows = way.gateway.supports([REACHABLE, WITHOUT_CARDS])

    assert shows == {REACHABLE: True, WITHOUT_CARDS: False}


def test_a_card_has_its_own_link_and_a_phone_without_cards_gets_the_sms(cards):
    sent = [message("1", REACHABLE, link=LINK), message("2", WITHOUT_CARDS)]

    results = cards.gateway.send(sent)

    assert outcomes(results) == [Outcome.ACCEPTED] * 2
    assert results[0].refs != results[1].refs
    card, sms = (cards.inbox.read(phone=m.phone)[0] for m in sent)
    assert (card.kind, card.link) == ("card", LINK)
    assert (sms.kind, sms.link) == ("sms", "")
    heard = {(line.gateway_ref, line.phone): line.report for line in cards.hear(2)}
    assert heard == {
        (result.refs[0], m.phone): Report.DELIVERED for result, m in zip(results, sent, strict=True)
    }


def test_without_a_text_to_fall_back_to_a_phone_without_cards_is_rejected(tmp_path):
    with way_over("alibaba_card", tmp_path / "inbox.sqlite3") as way:
        options = {name: value for name, value in way.options.items() if name != "sms_template"}
        gateway = DIALECTS["alibaba_card"]("alibaba_card", options)

        results = gateway.send([message("1", REACHABLE), message("2", WITHOUT_CARDS)])

    assert outcomes(results) == [Outcome.ACCEPTED, Outcome.REJECTED]
    assert results[1].reason == "NO_CARD"


def test_a_5g_yuexin_has_its_own_link_and_tells_when_the_card_was_drawn(yuexin):
    (result,) = yuexin.gateway.send([message("1", REACHABLE, link=LINK)])

    (card,) = yuexin.inbox.read(phone=REACHABLE)
    assert (card.kind, card.link) == ("card", LINK)
    reports = {(line.report, line.gateway_ref, line.phone) for line in yuexin.hear(2)}
    task = result.refs[0]
    assert reports == {
        (Report.DELIVERED, task, REACHABLE),
        (Report.DISPLAYED, task, REACHABLE),
    }


def test_a_card_that_was_not_drawn_is_no_failure(yuexin):
    said = json.dumps({"task_id": "1", "cust_flag": REACHABLE, "status": 7})
    body = json.dumps({"callback_type": "shortchain", "body": said}).encode()

    assert yuexin.gateway.read_receipts({}, body, now=timezone.now()) == []


def test_what_people_write_back_to_a_cloud_is_heard(alibaba, tencent):
    up = json.dumps([{"phone_number": REACHABLE, "content": "退订", "dest_code": "1"}]).encode()
    back = json.dumps({"mobile": REACHABLE, "nationcode": "86", "text": "T"}).encode()

    now = timezone.now()
    assert alibaba.gateway.read_receipts({}, up, now=now) == [Reply(REACHABLE, "退订")]
    assert tencent.gateway.read_receipts({}, back, now=now) == [Reply(REACHABLE, "T")]


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("1", "退订", "退订"),
        ("2", '{"display_text": "不再接收", "post_data": "x"}', "退订"),
        ("3", '{"display_text": "立即投票", "post_data": "vote"}', "立即投票"),
    ],
)
def test_what_people_write_or_tap_below_a_5g_message_of_alibaba_is_heard(
    kind, content, text, tmp_path
):
    item = {"phone_number": REACHABLE, "mobile_originated_type": kind, "content": content}

    with way_over("alibaba_rcs", tmp_path / "inbox.sqlite3") as way:
        replies = way.gateway.read_receipts({}, json.dumps([item]).encode(), now=timezone.now())

    assert replies == [Reply(REACHABLE, text)]


def test_tencents_receipts_name_our_reference_and_theirs(tencent):
    (result,) = tencent.gateway.send([message("1", REACHABLE)])

    (line,) = tencent.hear(1)

    assert line == ReceiptLine("1", Report.DELIVERED, "", result.gateway_ref, REACHABLE)


@pytest.mark.parametrize(
    ("code", "report"), [("EXPIRED", Report.UNREACHED), ("MK:0001", Report.FAILED)]
)
def test_a_phone_that_is_off_is_not_lost_for_good(tencent, code, report):
    item = {"mobile": REACHABLE, "report_status": "FAIL", "errmsg": code, "sid": "1", "ext": "1"}

    lines = tencent.gateway.read_receipts({}, json.dumps([item]).encode(), now=timezone.now())

    assert [line.report for line in lines] == [report]


def test_every_reason_that_a_dialect_gives_itself_has_words():
    for name in ("alibaba", "alibaba_card", "tencent", "yuexin", "botmessage", "webhook"):
        options = {"url": "http://127.0.0.1:1", "rate": 1, "receipt_key": KEY, **OPTIONS[name]}
        reasons = DIALECTS[name](name, options).reasons

        assert all(str(words) for words in reasons.values())

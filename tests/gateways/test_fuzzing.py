"""Whatever a carrier says, a gateway answers in its own words and never breaks."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateways.http_ways import OPTIONS, message
from voting_portal.gateways import DIALECTS, Outcome, http_exchange
from voting_portal.gateways.http_exchange import Answer
from voting_portal.gateways.protocol import NotFromGateway, ReceiptLine, Reply
from voting_portal.gateways.signing import signed_headers

WORDS = st.sampled_from(
    [
        *("id", "status", "delivered", "failed", "from", "text", "accepted", "Code", "OK", "BizId"),
        *("Response", "SendStatusSet", "SerialNo", "Ok", "Error", "errorCode", "messageId", "Data"),
        *("deliveryInfo", "deliveryInfoList", "deliveryStatus", "senderAddress", "messageList"),
        *("contentType", "contentText", "text/plain", "task_id", "task_state", "Success", "body"),
        *("callback_type", "sms", "shortchain", "[]", "{}", "phone_number", "success", "biz_id"),
        *("mobile", "report_status", "SUCCESS", "sid", "address", "MessageSent", "bodyText", "1"),
    ]
)
SCALARS = WORDS | st.none() | st.booleans() | st.integers() | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
BODIES = ANYTHING.map(lambda said: json.dumps(said).encode()) | st.binary(max_size=20)
QUICKLY = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def gateway_of(dialect):
    options = {"url": "http://127.0.0.1:1", "rate": 1, **OPTIONS[dialect]}
    return DIALECTS[dialect](dialect, options)


@pytest.mark.parametrize("dialect", sorted(OPTIONS))
@QUICKLY
@given(body=BODIES)
def test_any_receipt_is_read_or_refused(dialect, body, monkeypatch):
    gateway = gateway_of(dialect)
    headers = {"Authorization": 'Username="app",Password="app key of the tests"'}
    if dialect == "botmessage":
        monkeypatch.setattr(gateway, "_check_signature", lambda *_a, **_k: None)
    elif dialect in ("http_batch", "webhook"):
        headers = signed_headers(OPTIONS[dialect]["secret"], body, now=timezone.now())

    try:
        lines = gateway.read_receipts(headers, body, now=timezone.now())
    except NotFromGateway:
        return

    assert all(isinstance(line, ReceiptLine | Reply) for line in lines)


@pytest.mark.parametrize("dialect", sorted(OPTIONS))
@QUICKLY
@given(body=BODIES, status=st.sampled_from([200, 201, 204, 302, 400, 403, 429, 500, 503]))
def test_any_answer_is_an_outcome(dialect, body, status, monkeypatch):
    gateway = gateway_of(dialect)
    answer = Answer(status, {"Retry-After": "x"}, body)
    monkeypatch.setattr(http_exchange.Line, "exchange", lambda *_a, **_k: answer)
    monkeypatch.setattr(
        "voting_portal.gateways.access_tokens.current", lambda _gateway, _fetch: "token"
    )
    monkeypatch.setattr("voting_portal.gateways.access_tokens.forget", lambda *_a: None)

    (result,) = gateway.send([message("1", "15400000001")])

    assert result.ref == "1"
    assert isinstance(result.outcome, Outcome)
    assert len(result.reason) <= 40
    if status >= 500:
        assert result.outcome is not Outcome.ACCEPTED


ACCEPTED = {
    "http_batch": [{"id": "1", "status": "accepted"}],
    "webhook": [{"id": "1", "status": "accepted"}],
    "alibaba": {"Code": "OK", "BizId": "9"},
    "alibaba_card": {"Code": "OK", "Data": {"BizCardId": "9"}},
    "alibaba_rcs": {"Code": "OK"},
    "tencent": {"Response": {"SendStatusSet": [{"Code": "Ok", "SerialNo": "9"}]}},
    "botmessage": {"errorCode": 0},
    "openchatbot": {"messageId": "9"},
    "kannel": "0: Accepted for delivery",
    "yuexin": {"task_id": "9", "task_state": "Success"},
}


@pytest.mark.parametrize("dialect", sorted(OPTIONS))
@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Outcome.ACCEPTED), (500, Outcome.UNKNOWN), (502, Outcome.UNKNOWN)],
)
def test_the_word_of_a_failing_server_is_none(dialect, status, outcome, monkeypatch):
    if dialect == "kannel" and status == 200:
        status = 202  # its own word for it
    answer = Answer(status, {}, json.dumps(ACCEPTED[dialect]).encode())
    monkeypatch.setattr(http_exchange.Line, "exchange", lambda *_a, **_k: answer)
    monkeypatch.setattr(
        "voting_portal.gateways.access_tokens.current", lambda _gateway, _fetch: "token"
    )

    (result,) = gateway_of(dialect).send([message("1", "15400000001")])

    assert result.outcome is outcome

"""Brokers vouch for holders: a whole way over real sockets, and everything that must not pass."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from identity import voters
from identity.links import personal_url
from identity.models import Assertion
from identity.providers import oidc
from meetings import keys, live
from meetings.models import Meeting, MeetingKey
from tests.factories import make_holder, make_meeting
from tests.handset import handset
from tests.identity.providers.broker import Broker, serving_broker

__all__ = ["handset"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def broker(settings):
    with serving_broker() as serving:
        settings.IDENTITY_PROVIDERS = {"broker": serving.options()}
        yield serving
        oidc._keys.clear()


@pytest.fixture
def holder(handset):
    return make_holder(make_meeting())


def open_link(client: Client, holder: Any) -> None:
    client.post(urlsplit(personal_url(holder.pk, 0)).path)


def go(client: Client, holder: Any, name: str = "broker") -> str:
    """Press the provider's button and log in there; the address that leads back."""
    sent = client.post(reverse("identity:provider-begin", args=[holder.meeting_id, name]))
    assert sent.status_code == 303, sent.text
    answer = requests.get(sent.headers["Location"], allow_redirects=False, timeout=30)
    return answer.headers["Location"]


def come_back(client: Client, address: str) -> Any:
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")


def level(client: Client, holder: Any) -> int:
    """The level of the browser's session."""
    request = client.get("/").wsgi_request
    request.COOKIES.update({name: morsel.value for name, morsel in client.cookies.items()})
    voter = voters.read_voter(request, holder.meeting_id, now=timezone.now())
    return voter.level if voter else -1


def test_a_holder_of_the_account_may_vote(client, broker, holder):
    open_link(client, holder)

    response = come_back(client, go(client, holder))

    assert response.status_code == 303
    ballot = reverse("ballots:ballot", args=[holder.meeting_id])
    assert response.headers["Location"] == ballot
    assert client.get(ballot).status_code == 200
    assert level(client, holder) == 2
    assertion = Assertion.objects.get()
    assert (assertion.holder_id, assertion.provider, assertion.level) == (holder.pk, "broker", 2)


def test_the_request_can_be_pushed_beforehand(client, broker, holder, settings):
    settings.IDENTITY_PROVIDERS = {"broker": broker.options(par_endpoint=f"{broker.url}/par")}
    open_link(client, holder)
    begin = reverse("identity:provider-begin", args=[holder.meeting_id, "broker"])

    sent = client.post(begin)
    words = parse_qs(urlsplit(sent.headers["Location"]).query)
    answer = requests.get(sent.headers["Location"], allow_redirects=False, timeout=30)
    response = come_back(client, answer.headers["Location"])

    assert words.keys() == {"client_id", "request_uri"}
    assert response.headers["Location"] == reverse("ballots:ballot", args=[holder.meeting_id])


def test_a_brokers_app_opens_the_ballot_already_verified(client, broker, holder):
    target = f"http://127.0.0.1:8000{reverse('ballots:ballot', args=[holder.meeting_id])}"

    start = reverse("identity:provider-start", args=["broker"])
    sent = client.get(start, {"iss": broker.url, "target_link_uri": target})
    answer = requests.get(sent.headers["Location"], allow_redirects=False, timeout=30)
    response = come_back(client, answer.headers["Location"])

    assert response.headers["Location"] == reverse("ballots:ballot", args=[holder.meeting_id])
    assert level(client, holder) == 2


@pytest.mark.parametrize(
    ("issuer", "target"),
    [
        ("https://other.example", "http://127.0.0.1:8000/m/{meeting}/ballot"),
        ("", "https://evil.example/m/{meeting}/ballot"),
        ("", "http://127.0.0.1:8000/staff/"),
        ("", "http://127.0.0.1:8000/m/4194303/ballot"),
        ("", "javascript:alert(1)"),
        ("", ""),
    ],
)
def test_nobody_is_led_elsewhere(client, broker, holder, issuer, target):
    words = {
        "iss": issuer or broker.url,
        "target_link_uri": target.format(meeting=holder.meeting_id),
    }

    answer = client.get(reverse("identity:provider-start", args=["broker"]), words)

    assert answer.status_code == 404


def test_a_customer_who_is_another_holder_is_refused(client, broker, holder):
    other = make_holder(Meeting.objects.get(pk=holder.meeting_id), name="李四", index=2)
    broker.account = "A000000002"
    open_link(client, holder)

    response = come_back(client, go(client, holder))

    assert response.status_code == 422
    assert level(client, holder) == 0
    assert level(client, other) <= 0
    assert not Assertion.objects.exists()


def test_a_customer_who_holds_nothing_is_refused(client, broker, holder):
    broker.account = "A999999999"
    open_link(client, holder)

    response = come_back(client, go(client, holder))

    assert response.status_code == 422
    assert level(client, holder) == 0


def unsigned(_broker: Broker, claims: dict[str, Any]) -> str:
    parts = [json.dumps({"alg": "none"}), json.dumps(claims)]
    return ".".join(base64.urlsafe_b64encode(p.encode()).decode().rstrip("=") for p in parts) + "."


def by_another_key(broker: Broker, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": broker.key.kid}, claims, ECKey.generate_key("P-256"))


def with_its_own_key(_broker: Broker, claims: dict[str, Any]) -> str:
    key = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "jwk": key.as_dict(private=False)}
    return jwt.encode(header, claims, key)


def by_the_public_key_as_a_secret(broker: Broker, claims: dict[str, Any]) -> str:
    secret = json.dumps(broker.key.as_dict(private=False)).encode()
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret), algorithms=["HS256"])


def cut(broker: Broker, claims: dict[str, Any]) -> str:
    return by_another_key(broker, claims)[:-20]


def with_other_claims(broker: Broker, claims: dict[str, Any]) -> str:
    """The signature of one token under the claims of another."""
    header, _payload, signature = jwt.encode(
        {"alg": "ES256", "kid": broker.key.kid}, claims | {"sub": "other"}, broker.key
    ).split(".")
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{header}.{payload}.{signature}"


@pytest.mark.parametrize(
    "token",
    [
        unsigned,
        by_another_key,
        with_its_own_key,
        by_the_public_key_as_a_secret,
        cut,
        with_other_claims,
        lambda _broker, _claims: "",
        lambda _broker, _claims: "x" * 100_000,
    ],
    ids=["none", "other key", "jwk", "HS256", "cut", "other claims", "empty", "huge"],
)
def test_a_token_whose_signature_does_not_hold_is_refused(client, broker, holder, token):
    broker.token = token
    open_link(client, holder)

    response = come_back(client, go(client, holder))

    assert response.status_code == 422
    assert level(client, holder) == 0
    assert not Assertion.objects.exists()


LONG_AGO, FAR_AHEAD = 10**9, 10**10  # seconds since 1970: in 2001, in 2286


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"aud": "somebody-else"},
        {"aud": ["portal", "somebody-else"]},
        {"aud": ["portal", "other"], "azp": "other"},
        {"aud": None},
        {"nonce": "of another login"},
        {"nonce": None},
        {"exp": LONG_AGO},
        {"exp": None},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"iat": FAR_AHEAD},
        {"iat": float("nan")},
        {"auth_time": LONG_AGO},
        {"auth_time": None},
        {"sub": ""},
        {"securities_account": None},
        {"securities_account": ["A000000001"]},
    ],
    ids=str,
)
def test_a_token_that_says_something_else_is_refused(client, broker, holder, claims):
    broker.claims = claims
    open_link(client, holder)

    response = come_back(client, go(client, holder))

    assert response.status_code == 422
    assert level(client, holder) == 0
    assert not Assertion.objects.exists()


def test_an_answer_after_the_meetings_keys_are_destroyed_is_refused(client, broker, holder):
    open_link(client, holder)
    address = go(client, holder)
    MeetingKey.objects.filter(meeting_id=holder.meeting_id, purpose="INDEX").delete()
    keys._remembered.clear()

    response = come_back(client, address)

    assert response.status_code == 422
    assert level(client, holder) == 0
    assert not Assertion.objects.exists()


@pytest.mark.parametrize("acr", ["strong", "weak", None])
def test_the_way_of_proving_is_the_one_that_was_asked_for(client, broker, holder, settings, acr):
    settings.IDENTITY_PROVIDERS = {"broker": broker.options(acr_values=["strong"])}
    broker.claims = {"acr": acr}
    open_link(client, holder)

    response = come_back(client, go(client, holder))

    assert response.status_code == (303 if acr == "strong" else 422)


@pytest.mark.parametrize("iss", [None, "https://other.example"])
def test_an_answer_that_names_another_issuer_is_refused(client, broker, holder, iss):
    broker.iss = iss
    open_link(client, holder)

    response = come_back(client, go(client, holder))

    assert response.status_code == 422
    assert broker.codes  # the code was not even exchanged


def test_an_answer_of_one_broker_is_not_taken_by_another(client, broker, holder, settings):
    with serving_broker() as other:
        settings.IDENTITY_PROVIDERS |= {"other": other.options()}
        open_link(client, holder)
        address = go(client, holder, "broker")
        go(client, holder, "other")

        response = come_back(client, address.replace("/with/broker/", "/with/other/"))

    assert response.headers["Location"] == reverse("identity:start")
    assert level(client, holder) == 0


def test_an_answer_is_taken_only_by_the_browser_that_asked(client, broker, holder):
    open_link(client, holder)
    address = go(client, holder)

    thief = Client()
    response = come_back(thief, address)

    assert response.headers["Location"] == reverse("identity:start")
    assert level(thief, holder) == -1


def test_the_same_answer_opens_one_session(client, broker, holder):
    open_link(client, holder)
    address = go(client, holder)
    kept = client.cookies.copy()
    come_back(client, address)
    again = Client()
    again.cookies.update(kept)

    response = come_back(again, address)

    assert response.status_code == 422
    assert Assertion.objects.count() == 1


def test_new_keys_of_the_broker_are_noticed(client, broker, holder, monkeypatch):
    open_link(client, holder)
    come_back(client, go(client, holder))
    broker.key = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
    monkeypatch.setattr(oidc, "KEYS_ASKED_AGAIN_AFTER_SECONDS", 0)
    other = Client()
    open_link(other, holder)

    response = come_back(other, go(other, holder))

    assert response.status_code == 303
    assert broker.asked_for_keys == 2


def test_false_tokens_do_not_make_the_portal_ask_for_keys_each_time(client, broker, holder):
    open_link(client, holder)
    come_back(client, go(client, holder))
    broker.token = by_another_key

    for _try in range(3):
        come_back(client, go(client, holder))

    assert broker.asked_for_keys == 1


def test_a_broker_that_is_down_is_said_to_be_and_costs_nothing(client, broker, holder):
    open_link(client, holder)
    address = go(client, holder)
    broker.is_down = True

    response = come_back(client, address)

    assert response.status_code in {422, 503}
    assert level(client, holder) == 0


def test_a_large_holding_asks_for_more_than_a_code(client, broker, handset):
    meeting = make_meeting(strong_from_percent="1.0000")
    holder = make_holder(meeting, shares=10_000_000)
    small = make_holder(meeting, shares=9_999_999, name="李四", index=2)
    ballot = reverse("ballots:ballot", args=[meeting.pk])

    by_code = {}
    for subject in (holder, small):
        browser = Client()
        open_link(browser, subject)
        code = handset.code()
        browser.post(reverse("identity:code", args=[meeting.pk]), {"code": code})
        by_code[subject] = browser.get(ballot)

    ways = reverse("identity:ways", args=[meeting.pk])
    assert by_code[holder].headers.get("Location") == ways
    assert by_code[small].status_code == 200

    open_link(client, holder)
    client.post(reverse("identity:code", args=[meeting.pk]), {"code": handset.code()})
    page = client.get(ways)
    come_back(client, go(client, holder))

    assert "测试证券" in page.text
    assert client.get(ballot).status_code == 200


def test_the_page_of_the_code_offers_the_brokers(client, broker, holder):
    open_link(client, holder)

    page = client.get(reverse("identity:code", args=[holder.meeting_id]))

    assert "测试证券" in page.text
    assert live.live_meeting(holder.meeting_id) is not None

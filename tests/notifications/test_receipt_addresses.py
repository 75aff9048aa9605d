"""Who may post receipts where: the secret in the address, the carrier's own addresses, nonces."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from notifications.models import Receipt
from tests.gateways.http_ways import BOT, KEY, OPTIONS
from voting_portal.common.logs import without_personal_data
from voting_portal.gateways import pacing
from voting_portal.gateways.botmessage import receipt_signature
from voting_portal.gateways.message_ids import message_id

pytestmark = pytest.mark.django_db

ALIBABA = [{"phone_number": "15400000001", "success": True, "err_code": "DELIVERED", "biz_id": "9"}]


@pytest.fixture(autouse=True)
def gateways(settings):
    settings.GATEWAYS = {
        name: {"dialect": name, "url": "http://127.0.0.1:1", "rate": 1, **OPTIONS[name]}
        for name in ("http_batch", "alibaba", "tencent", "botmessage")
    }
    for name in ("alibaba", "tencent", "botmessage"):
        settings.GATEWAYS[name]["receipt_key"] = KEY
    return settings.GATEWAYS


def post(client, path, content=ALIBABA, **headers):
    body = json.dumps(content)
    return client.post(path, body, content_type="application/json", headers=headers)


def test_the_right_address_is_answered_in_the_dialect(client):
    response = post(client, f"/gateway/alibaba/receipts/{KEY}")

    assert response.status_code == 200
    assert response.json() == {"code": 0, "msg": "OK"}
    assert Receipt.objects.count() == 1


@pytest.mark.parametrize(
    "path",
    [
        "/gateway/alibaba/receipts",
        "/gateway/alibaba/receipts/a-guess",
        f"/gateway/alibaba/receipts/{KEY[:-1]}",
        f"/gateway/http_batch/receipts/{KEY}",
        f"/gateway/nobody/receipts/{KEY}",
        "/gateway/nobody/receipts",
    ],
)
def test_whoever_does_not_know_the_address_finds_nothing(client, path):
    assert post(client, path).status_code == 404
    assert not Receipt.objects.exists()


def test_only_the_carriers_own_addresses_may_post(client, gateways):
    path = f"/gateway/alibaba/receipts/{KEY}"
    gateways["alibaba"]["receipt_addresses"] = ["203.0.113.0/24", "2001:db8::/32"]
    refused = post(client, path).status_code

    gateways["alibaba"]["receipt_addresses"] = ["203.0.113.0/24", "127.0.0.0/8"]

    assert refused == 404
    assert post(client, path).status_code == 200
    assert Receipt.objects.count() == 1


def test_a_caller_cannot_make_up_an_address_of_the_carrier(client, gateways):
    gateways["alibaba"]["receipt_addresses"] = ["203.0.113.0/24"]

    response = client.post(
        f"/gateway/alibaba/receipts/{KEY}",
        json.dumps(ALIBABA),
        content_type="application/json",
        headers={"X-Forwarded-For": "203.0.113.7"},
    )

    assert response.status_code == 404
    assert not Receipt.objects.exists()


def test_a_gateway_that_signs_nothing_must_have_a_secret_address(client, gateways):
    del gateways["alibaba"]["receipt_key"]

    with pytest.raises(ImproperlyConfigured, match="receipt_key"):
        post(client, "/gateway/alibaba/receipts")


def test_a_short_secret_is_none(client, gateways):
    gateways["alibaba"]["receipt_key"] = "short"

    with pytest.raises(ImproperlyConfigured, match="24 or more"):
        post(client, "/gateway/alibaba/receipts/short")


def test_networks_that_are_none_are_named(client, gateways):
    gateways["alibaba"]["receipt_addresses"] = ["203.0.113.7/24"]

    with pytest.raises(ImproperlyConfigured, match=r"alibaba.*host bits"):
        post(client, f"/gateway/alibaba/receipts/{KEY}")


def test_the_same_receipt_again_is_answered_and_kept_once(client):
    path = f"/gateway/alibaba/receipts/{KEY}"

    answers = [post(client, path).status_code for _ in range(2)]

    assert answers == [200, 200]
    assert Receipt.objects.count() == 1


def test_a_body_over_a_megabyte_is_refused_unread(client):
    path = f"/gateway/alibaba/receipts/{KEY}"

    assert client.post(path, b"x" * 1_000_001, content_type="text/plain").status_code == 413


PLACE = f"/gateway/botmessage/receipts/{KEY}/deliveryNotification/sip%3A1%40b.example/status"
REPORT = {
    "deliveryInfoList": [{"messageId": message_id(BOT["app_key"].encode(), "1"), "status": "sent"}]
}


def signed(nonce):
    timestamp = str(int(timezone.now().timestamp()))
    signature = receipt_signature(BOT["receipt_token"], timestamp=timestamp, nonce=nonce)
    return {"timestamp": timestamp, "nonce": nonce, "signature": signature}


def test_a_5g_callback_comes_to_a_place_behind_the_address(client):
    response = post(client, PLACE, REPORT, **signed("place-1"))

    assert response.status_code == 204
    assert not response.content


def test_a_5g_callback_without_a_signature_finds_nothing(client):
    assert post(client, PLACE, REPORT).status_code == 404
    assert not Receipt.objects.exists()


def test_a_nonce_serves_one_body_only(client, settings):
    pacing.redis_client(settings.REDIS_URL).flushdb()
    headers = signed("place-2")

    answers = [
        post(client, PLACE, content, **headers).status_code
        for content in (REPORT, REPORT, {"deliveryInfoList": []})
    ]

    assert answers == [204, 204, 404]


def test_without_redis_a_5g_callback_is_asked_to_come_again(client, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"

    response = post(client, PLACE, REPORT, **signed("place-3"))

    assert response.status_code == 503
    assert response["Retry-After"] == "60"
    assert not Receipt.objects.exists()


def test_the_carrier_that_looks_gets_its_echo(client):
    path = f"/gateway/botmessage/receipts/{KEY}"

    response = client.get(path, headers={**signed("place-4"), "echoStr": "hello"})

    assert response.status_code == 200
    assert (response["echoStr"], response["appId"]) == ("hello", "app")
    assert client.get(path, headers={"echoStr": "hello"}).status_code == 404
    assert client.get(f"/gateway/alibaba/receipts/{KEY}").status_code == 404


def test_the_secret_of_an_address_is_not_logged():
    line = without_personal_data(f"Not Found: {PLACE}")

    assert KEY not in line
    assert "/gateway/botmessage/receipts/…" in line

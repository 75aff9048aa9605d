"""Signatures of requests: fixed vectors, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from voting_portal.gateways import signing

NOW = datetime(2026, 6, 26, 1, 15, tzinfo=UTC)
BODY = '[{"id":"1","to":"15400000001","text":"【上证信息】"}]'.encode()


def test_the_signature_is_that_of_the_documented_vector():
    # printf '1782436500.abc.BODY' | openssl dgst -sha256 -hmac secret
    signed = signing.signature("secret", timestamp="1782436500", nonce="abc", body=b"BODY")

    assert signed == "5f66be971577ce0864a533c5ff12733c238e054d27f6ed788bcbb2f1f07b196e"


def test_both_live_secrets_are_taken_while_one_is_replaced():
    headers = signing.signed_headers("old", BODY, now=NOW)

    signing.check(["new", "old"], headers, BODY, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {signing.NONCE: "another"},
        {signing.TIMESTAMP: str(int(NOW.timestamp()) + 1)},
        {signing.SIGNATURE: "0" * 64},
        {signing.SIGNATURE: "é"},
        {signing.SIGNATURE: ""},
        {signing.TIMESTAMP: "²"},
        {signing.NONCE: ""},
    ],
)
def test_a_changed_header_is_refused(change):
    headers = {**signing.signed_headers("secret", BODY, now=NOW), **change}

    with pytest.raises(signing.BadSignature):
        signing.check(["secret"], headers, BODY, now=NOW)


def test_a_changed_body_is_refused():
    headers = signing.signed_headers("secret", BODY, now=NOW)

    with pytest.raises(signing.BadSignature, match="wrong"):
        signing.check(["secret"], headers, BODY + b" ", now=NOW)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_an_old_request_and_one_from_the_future_are_refused(minutes):
    headers = signing.signed_headers("secret", BODY, now=NOW)

    with pytest.raises(signing.BadSignature, match="old"):
        signing.check(["secret"], headers, BODY, now=NOW + timedelta(minutes=minutes))

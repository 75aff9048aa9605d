"""Signatures of the clouds: the examples that they publish, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from voting_portal.gateways import canonical
from voting_portal.gateways.botmessage import receipt_signature

ACS3 = canonical.Request(
    "POST",
    "/",
    {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-version": "2014-05-26",
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    },
    b"",
    {
        "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
        "RegionId": "cn-shanghai",
    },
)
TC3 = canonical.Request(
    "POST",
    "/",
    {
        "host": "cvm.tencentcloudapi.com",
        "content-type": "application/json; charset=utf-8",
        "x-tc-timestamp": "1551113065",
    },
    rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}',
)


def test_alibabas_published_example_is_signed_as_published():
    signature = canonical.acs3(ACS3, sorted(ACS3.headers), secret="YourAccessKeySecret")

    assert signature == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"


def test_tencents_published_example_is_signed_as_published():
    signature = canonical.tc3(
        TC3, ["content-type", "host"], secret="Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", service="cvm"
    )

    assert signature == "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"


def test_a_5g_callback_is_signed_as_in_the_interface_document():
    signature = receipt_signature("tok123", timestamp="1589101185", nonce="12445635")

    assert signature == "b14a4926dfec7bd7bd6b41809a1203bbc2e4c3cf6588c93e1faf3c03cae47a5a"


def signed():
    """Alibaba's example as it arrives."""
    names = sorted(ACS3.headers)
    signature = canonical.acs3(ACS3, names, secret="YourAccessKeySecret")
    authorization = (
        f"ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
        f"SignedHeaders={';'.join(names)},Signature={signature}"
    )
    return replace(ACS3, headers={**ACS3.headers, "authorization": authorization})


def test_whoever_signed_is_named():
    assert canonical.signed_by(signed(), secret="YourAccessKeySecret") == "YourAccessKeyId"


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"x"},
        {"path": "/other"},
        {"method": "GET"},
        {"query": {"RegionId": "cn-beijing"}},
        {"headers": {**signed().headers, "x-acs-action": "Other"}},
        {"headers": {**signed().headers, "authorization": ""}},
        {"headers": {**signed().headers, "authorization": "ACS3-HMAC-SHA256 nonsense"}},
    ],
)
def test_a_request_that_was_changed_is_signed_by_nobody(change):
    assert canonical.signed_by(replace(signed(), **change), secret="YourAccessKeySecret") == ""


def test_another_secret_signs_for_nobody():
    assert canonical.signed_by(signed(), secret="a guess") == ""


def test_blanks_and_chinese_are_quoted_as_the_clouds_do():
    assert canonical.query_string({"b": "a b*~", "a": "投"}) == "a=%E6%8A%95&b=a%20b%2A~"

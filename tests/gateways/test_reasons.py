"""Codes of gateways in words for staff."""

from __future__ import annotations

import pytest
from django.utils import translation

from tests.gateways.http_ways import OPTIONS
from voting_portal.gateways.reasons import in_words


@pytest.mark.parametrize(
    ("gateway", "code", "words"),
    [
        ("alibaba", "isv.AMOUNT_NOT_ENOUGH", "通道账户余额不足"),
        ("alibaba", "TimeoutError", "通道没有按时应答"),
        ("alibaba", "HTTP 503", "通道应答HTTP 503"),
        ("alibaba", "MK:0001", "MK:0001"),
        ("botmessage", "4", "手机不在线"),
        ("http_batch", "4", "4"),
        ("gone", "TimeoutError", "通道没有按时应答"),
        ("gone", "", ""),
    ],
)
def test_a_code_is_said_in_the_words_of_its_gateway(settings, gateway, code, words):
    settings.GATEWAYS = {
        name: {"dialect": name, "url": "http://127.0.0.1:1", "rate": 1, **options}
        for name, options in OPTIONS.items()
    }

    assert in_words(gateway, code) == words


def test_words_come_in_the_language_of_the_page(settings):
    settings.GATEWAYS = {}

    with translation.override("en"):
        assert in_words("sms", "TimeoutError") == "The gateway did not answer in time"

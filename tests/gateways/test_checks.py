"""What `manage.py check` says of the gateways that the settings name."""

from __future__ import annotations

import pytest

from tests.gateways.http_ways import KEY, OPTIONS
from voting_portal import env
from voting_portal.checks import check_gateways
from voting_portal.gateways.simulator.carriers import hire
from voting_portal.gateways.simulator.inbox import Inbox

URL = {"url": "https://sms.example", "rate": 1}


def test_every_dialect_set_up_rightly_passes(settings):
    settings.GATEWAYS = {
        name: {"dialect": name, "receipt_key": KEY, **URL, **options}
        for name, options in OPTIONS.items()
    }

    assert check_gateways() == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"dialect": "pigeon", **URL}, "known dialects are"),
        ({"dialect": "tencent", **URL}, "lacks 'secret_id'"),
        ({"dialect": "http_batch", "url": "ftp://x", "rate": 1, "secret": "s"}, "no http"),
        ({"dialect": "http_batch", "url": URL["url"], "rate": "fast", "secret": "s"}, "fast"),
        ({"dialect": "alibaba", **URL, **OPTIONS["alibaba"]}, "receipt_key"),
        ({"dialect": "http_batch", **URL, "secret": "s", "receipt_key": "a/b" * 12}, "letters"),
        ({"dialect": "http_batch", **URL, "secret": "s", "receipt_addresses": ["x"]}, "x"),
    ],
)
def test_what_is_wrong_with_a_gateway_is_said_before_anything_is_sent(settings, options, problem):
    settings.GATEWAYS = {"broken": options}

    (error,) = check_gateways()

    assert error.id == "portal.E005"
    assert "broken" in error.msg
    assert problem in error.msg


def test_a_checkout_has_a_gateway_of_each_kind_and_a_carrier_behind_it(settings, tmp_path):
    url = "http://127.0.0.1:8001"
    settings.GATEWAYS = env.gateways("NO_SUCH_VARIABLE", simulator=url)
    inbox = Inbox(tmp_path / "inbox.sqlite3")

    hired = hire(settings.GATEWAYS, simulator_url=url, portal="http://127.0.0.1:8000", inbox=inbox)

    assert check_gateways() == []
    assert {*hired, "sms"} == set(settings.GATEWAYS)
    inbox.close()

"""Limits count failures, and when Redis is down they open or close as written down."""

from __future__ import annotations

import logging

import pytest
from django.test import RequestFactory

from identity import limits
from identity.limits import CODE_FAILURES, CODES_SENT, INVALID_LINKS, STAFF_FAILURES


@pytest.fixture(autouse=True)
def _fresh_counts():
    limits.forget()


@pytest.fixture
def redis_down(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "unix:///nowhere/redis.sock",
        }
    }


def request_from(address="192.0.2.1"):
    return RequestFactory().get("/", REMOTE_ADDR=address)


@pytest.mark.parametrize("limit", [INVALID_LINKS, CODE_FAILURES, STAFF_FAILURES])
def test_the_limit_is_used_up_after_so_many(limit):
    for _failure in range(limit.count):
        limits.count(limit, request_from())

    with pytest.raises(limits.TooMany) as refusal:
        limits.count(limit, request_from())

    assert 0 < refusal.value.wait <= limit.seconds
    with pytest.raises(limits.TooMany):
        limits.check(limit, request_from())
    limits.check(limit, request_from("192.0.2.2"))


def test_looking_counts_nothing():
    for _visit in range(200):
        limits.check(CODE_FAILURES, request_from())

    limits.count(CODE_FAILURES, request_from())


@pytest.mark.parametrize("limit", [INVALID_LINKS, CODE_FAILURES])
def test_without_redis_the_vote_goes_on_under_this_process_own_count(limit, redis_down, caplog):
    with caplog.at_level(logging.WARNING):
        for _failure in range(limit.count):
            limits.count(limit, request_from())

        with pytest.raises(limits.TooMany):
            limits.count(limit, request_from())

    assert ("redis is down" in caplog.text) == limit.is_shared


@pytest.mark.parametrize("limit", [CODES_SENT, STAFF_FAILURES])
def test_without_redis_what_costs_money_or_guards_staff_is_refused(limit, redis_down):
    with pytest.raises(limits.LimitsDown) as refusal:
        limits.check(limit, request_from())

    assert refusal.value.status == 503

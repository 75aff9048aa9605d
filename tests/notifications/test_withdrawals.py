"""Replies to our messages: who asks for no more is not written to again, at any meeting."""

from __future__ import annotations

import pytest
from django.utils import timezone

from notifications import suppressions
from notifications.models import Receipt, Suppression
from notifications.receipts import take_lines
from notifications.withdrawals import is_withdrawal
from voting_portal.gateways.protocol import Reply

FULL_WIDTH = (
    "\uff34\uff24",
    "\uff52",
    "\u3000\uff2e",
)  # TD, r and N as Chinese keyboards have them


@pytest.mark.parametrize(
    "text",
    [
        "R",
        "r",
        "TD",
        "td",
        "Td ",
        "T",
        "n",
        *FULL_WIDTH,
        "退订",
        " 退订。",
        "回复TD",
        "回复 R",
        "“T”",
    ],
)
def test_these_words_ask_for_no_more(text):
    assert is_withdrawal(text)


@pytest.mark.parametrize(
    "text", ["", "RT", "好的", "退订吗", "请问怎么投票", "T恤", "不要退订", "回复"]
)
def test_other_words_do_not(text):
    assert not is_withdrawal(text)


@pytest.mark.django_db
def test_whoever_opts_out_by_reply_is_suppressed_at_once_and_once():
    now = timezone.now()

    for _time in range(2):
        take_lines("sms", [Reply("15400000007", "td")], now=now)

    assert suppressions.suppressed(["15400000007", "15400000008"]) == {"15400000007"}
    assert Suppression.objects.get().added_by == "gateway:sms"
    assert not Receipt.objects.exists()


@pytest.mark.django_db
def test_a_reply_that_says_something_else_changes_nothing():
    take_lines("sms", [Reply("15400000007", "谢谢")], now=timezone.now())

    assert not Suppression.objects.exists()
    assert not Receipt.objects.exists()

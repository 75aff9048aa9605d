"""What a notice may say, what it costs, and what it is filled in with."""

from __future__ import annotations

from datetime import date

import pytest

from notifications.wording import BadWording, compose, default_wording, segments, units
from tests.factories import make_issuer, make_meeting

pytestmark = pytest.mark.django_db
URL = "https://vote.example/v/0123456789012345678901234"


@pytest.fixture
def meeting():
    issuer = make_issuer(short_name="浦发银行", security_code="600000")
    return make_meeting(
        issuer=issuer, record_date=date(2026, 6, 23), meeting_date=date(2026, 6, 26), motions=False
    )


def test_the_default_wording_names_the_company_the_day_and_the_link(meeting):
    text = compose(default_wording(), meeting).text(URL)

    assert text == (f"【上证信息】您持有的浦发银行(600000)6月26日开股东会,点此投票 {URL} 请勿转发")


def test_the_cost_is_known_before_anybody_gets_it(meeting, settings):
    settings.PUBLIC_URL = "https://vote.example"

    notice = compose(default_wording(), meeting)

    assert notice.units == units(notice.text(URL))
    assert notice.segments == 2
    assert "0123" not in notice.sample()


@pytest.mark.parametrize(
    ("wording", "why"),
    [
        ("您的股东会 {链接} ", "签名"),
        ("【别人】您的股东会 {链接} ", "签名"),
        ("【上证信息】【重要】 {链接} ", "【】"),
        ("【上证信息】{姓名} {链接} ", "姓名"),
        ("【上证信息】没有地址", "链接"),
        ("【上证信息】 {链接} 或 {链接} ", "一次"),
        ("【上证信息】点此{链接} ", "空格"),
        ("【上证信息】点此 {链接},请勿转发", "空格"),
        ("【上证信息】{简称 {链接} ", "花括号"),
        ("【上证信息】" + "长" * 500 + " {链接}", "超过"),
    ],
)
def test_a_wording_that_a_carrier_would_refuse_is_refused_with_the_reason(meeting, wording, why):
    with pytest.raises(BadWording, match=why):
        compose(wording, meeting)


def test_a_variable_may_not_bring_a_second_signature(meeting):
    meeting.issuer.short_name = "浦发】【银行"

    with pytest.raises(BadWording, match="简称"):
        compose(default_wording(), meeting)


@pytest.mark.parametrize(
    ("text", "length", "number"),
    [
        ("a" * 70, 70, 1),
        ("字" * 71, 71, 2),
        ("字" * 134, 134, 2),
        ("字" * 135, 135, 3),
        ("𠮷" * 35, 70, 1),
    ],
)
def test_carriers_count_utf_16_units(text, length, number):
    assert units(text) == length
    assert segments(text) == number

"""What a notice may say, what it costs, and what it is filled in with."""

from __future__ import annotations

from datetime import date

import pytest
from django.urls import reverse

from identity.links import personal_url, read_link
from identity.vote_codes import personal_code
from notifications.models import Campaign
from notifications.wording import (
    BadWording,
    LinkMode,
    compose,
    default_wording,
    segments,
    segments_of,
    units,
)
from tests.factories import make_holder, make_issuer, make_meeting
from voting_portal.gateways import Message
from voting_portal.gateways.dialect import cut, written

pytestmark = pytest.mark.django_db


def write(notice, holder):
    return notice.message(
        ref="1", phone="15400000001", holder=holder.pk, generation=0, name=holder.name_masked
    )


@pytest.fixture
def meeting():
    issuer = make_issuer(short_name="浦发银行", security_code="600000")
    return make_meeting(
        issuer=issuer, record_date=date(2026, 6, 23), meeting_date=date(2026, 6, 26), motions=False
    )


def test_the_default_wording_names_the_company_the_day_and_the_link(meeting):
    holder = make_holder(meeting)

    message = write(compose(default_wording(), meeting), holder)

    url = personal_url(holder.pk, 0)
    assert message.text == (
        f"【上证信息】您持有的浦发银行(600000)6月26日开股东会,点此投票 {url} 请勿转发"
    )
    assert message.link == url
    assert message.title == "浦发银行2026年第一次临时股东会"
    assert message.variables == {
        "简称": "浦发银行",
        "代码": "600000",
        "月": "6",
        "日": "26",
        "链接": url,
    }


def test_where_no_personal_link_may_be_sent_a_code_and_a_constant_address_are(meeting, settings):
    settings.PUBLIC_URL = "https://vote.example"
    holder = make_holder(meeting)
    text = default_wording(mode=LinkMode.CODE)

    message = write(compose(text, meeting, mode=LinkMode.CODE), holder)

    code = personal_code(holder.pk, 0)
    assert f"投票码{code},登录 https://vote.example/" in message.text
    assert message.link == "https://vote.example" + reverse("identity:enter")
    assert segments(message.text) == 1
    assert "/v/" not in message.text


@pytest.mark.parametrize("kind", Campaign.Kind)
@pytest.mark.parametrize("mode", LinkMode)
def test_the_standard_wordings_of_all_kinds_keep_the_rules(meeting, kind, mode):
    notice = compose(default_wording(kind, mode), meeting, kind=kind, mode=mode)

    assert notice.segments <= 2
    assert "{" not in notice.sample()


def test_a_masked_name_is_counted_as_it_is_long(meeting):
    notice = compose("【上证信息】{股东}您好 {链接} ", meeting)

    assert notice.units(3) == units(notice.sample("张*三"))
    assert notice.units(4) == units(notice.sample("𠮷*三"))
    assert notice.units() == notice.units(12)


def test_a_name_cannot_bring_a_second_signature(meeting):
    notice = compose("【上证信息】{股东}您好 {链接} ", meeting)

    assert notice.sample("【假】{链接}").startswith("【上证信息】假链接您好 ")


def test_a_specimen_is_as_long_as_a_real_message_and_leads_nowhere(meeting):
    holder = make_holder(meeting)
    for mode in LinkMode:
        notice = compose(default_wording(mode=mode), meeting, mode=mode)
        specimen = notice.specimen(ref="trial-1", phone="15400000001")

        assert units(specimen.text) == units(write(notice, holder).text)
        assert read_link("0" * 25) is None
        assert "0" * (25 if mode is LinkMode.PERSONAL else 10) in specimen.text


def test_the_cost_is_known_before_anybody_gets_it(meeting, settings):
    settings.PUBLIC_URL = "https://vote.example"

    notice = compose(default_wording(), meeting)

    assert notice.units() == units(notice.sample())
    assert notice.segments == 2
    assert "•" * 25 in notice.sample()


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
        ("【上证信息】{股东}{股东} {链接} ", "股东"),
        ("【上证信息】{投票码} {链接} ", "投票码"),
    ],
)
def test_a_wording_that_a_carrier_would_refuse_is_refused_with_the_reason(meeting, wording, why):
    with pytest.raises(BadWording, match=why):
        compose(wording, meeting)


@pytest.mark.parametrize(
    ("wording", "why"),
    [
        ("【上证信息】请登录 {网址} ", "投票码"),
        ("【上证信息】{投票码} {链接} ", "链接"),
        ("【上证信息】{投票码}登录{网址}", "空格"),
        ("【上证信息】{投票码}{投票码}", "一次"),
    ],
)
def test_a_wording_with_a_vote_code_has_rules_of_its_own(meeting, wording, why):
    with pytest.raises(BadWording, match=why):
        compose(wording, meeting, mode=LinkMode.CODE)


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


RARE = "𠮷"  # two units of UTF-16


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("股" * 70, 1),
        ("股" * 71, 2),
        ("股" * 134, 2),
        ("股" * 135, 3),
        ("股" * 68 + RARE, 1),
        ("股" * 69 + RARE, 2),
        (RARE * 35, 1),
        ("股" * 66 + RARE + "股" * 66, 3),  # 134 units, of which a pair lies across 67
        ("股" * 65 + RARE + "股" * 67, 2),
        (RARE * 67, 3),  # 33 whole ones in each
    ],
)
def test_segments_are_counted_as_they_will_be_cut(text, number):
    parts = cut(Message("1", "15400000001", text))

    assert segments(text) == len(parts) == number
    assert "".join(written(part, 8, has_header=number > 1) for part in parts) == text
    assert segments(text) <= segments_of(units(text), has_pairs=RARE in text)

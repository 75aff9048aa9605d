"""The page of a personal link: nothing happens by looking at it."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from identity import limits
from identity.links import personal_url
from identity.models import Challenge
from meetings import live
from meetings.agenda import read_agenda
from meetings.models import Holder, Meeting
from meetings.preparing import recuse
from tests.factories import make_holder, make_meeting
from voting_portal.common import ids

pytestmark = pytest.mark.django_db
WHOLE = {"1.00": "FOR", "2.00": "AGAINST", "3.00": {"3.01": 2_000}}


@pytest.fixture
def holder():
    limits.forget()
    return make_holder(make_meeting(), shares=12_300)


def path_of(holder_id, generation=0):
    return f"/v/{personal_url(holder_id, generation).rpartition('/')[2]}"


def cast(holder):
    return cast_ballot(
        entitlement=read_entitlement(holder.pk, 0),
        agenda=read_agenda(holder.meeting_id),
        share_class=0,
        choices=WHOLE,
        level=1,
    )


def test_the_page_says_whose_vote_it_is_and_that_it_is_genuine(client, holder):
    text = client.get(path_of(holder.pk)).text

    meeting = Meeting.objects.select_related("issuer").get()
    for words in (
        meeting.issuer.short_name,
        meeting.issuer.security_code,
        meeting.title,
        "张*三",
        "12,300",
        "154****0001",
        "关于修改公司章程的议案",
        "特别决议",
        "400-888-8400",
        "vote.sseinfo.com",
        "以第一次投票结果为准",
        "银行卡",
        "北京时间",
        "距截止",
        "开始投票",
    ):
        assert words in text
    assert "张小三" not in text
    assert "15400000001" not in text
    assert "110105194912310021" not in text


def test_a_valid_link_costs_two_queries_at_most(client, holder, django_assert_max_num_queries):
    path = path_of(holder.pk)
    client.get(path)  # the agenda is known now

    with django_assert_max_num_queries(2):
        response = client.get(path)

    assert response.status_code == 200


def test_a_forged_link_costs_no_query(client, holder, django_assert_num_queries):
    path = path_of(holder.pk)
    client.get(path)

    with django_assert_num_queries(0):
        response = client.get(path[:-1] + ("a" if path[-1] != "a" else "b"))

    assert response.status_code == 404


def test_looking_sets_no_cookie_and_changes_nothing(client, holder):
    for method in (client.get, client.head):
        response = method(path_of(holder.pk))

        assert response.status_code == 200
        assert not response.cookies
    assert not Challenge.objects.exists()


def test_nothing_personal_is_kept_by_caches_or_sent_on(client, holder):
    response = client.get(path_of(holder.pk))

    assert response["Cache-Control"] == "no-store, private"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Robots-Tag"] == "noindex, noarchive"
    assert response["X-Content-Type-Options"] == "nosniff"
    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert re.search(r"<script|\sstyle=|\son\w+=", response.text) is None


def test_every_bad_link_gets_the_same_answer(client, holder):
    good = path_of(holder.pk)
    meeting = holder.meeting_id
    closed = make_meeting(state="MOTIONS_CONFIRMED")
    old = make_holder(Meeting.objects.get(pk=meeting), name="李四")
    old_link = path_of(old.pk)
    Holder.objects.filter(pk=old.pk).update(link_generation=1)
    bad = {
        "wrong": good[:-1] + ("a" if good[-1] != "a" else "b"),
        "cut": good[:-1],
        "old": old_link,
        "no such holder": path_of(ids.holder_id(meeting, 99)),
        "meeting not invited": path_of(ids.holder_id(closed.pk, 1)),
        "no letters of a link": "/v/" + "-" * 25,
        "nothing": "/v/",
    }

    answers = {name: client.get(path) for name, path in bad.items()}

    assert {answer.status_code for answer in answers.values()} == {404}
    assert len({answer.content for answer in answers.values()}) == 1
    shown = {
        tuple((k, v) for k, v in answer.items() if k != "X-Request-Id")
        for answer in answers.values()
    }
    assert len(shown) == 1
    text = answers["wrong"].text
    assert "400-888-8400" in text
    assert "vote.sseinfo.com" in text
    assert "交易系统" in text
    assert {client.post(path).status_code for path in bad.values()} == {404}


def test_the_new_link_of_a_holder_works(client, holder):
    Holder.objects.filter(pk=holder.pk).update(link_generation=1)

    assert client.get(path_of(holder.pk, 1)).status_code == 200
    assert client.get(path_of(holder.pk, 0)).status_code == 404


def test_many_bad_links_from_one_address_are_slowed_but_good_ones_open(client, holder):
    bad = "/v/" + "0" * 25
    for _guess in range(limits.INVALID_LINKS.count):
        assert client.get(bad).status_code == 404

    assert client.get(bad).status_code == 429
    assert client.get(path_of(holder.pk)).status_code == 200
    assert Client(REMOTE_ADDR="192.0.2.9").get(bad).status_code == 404


@pytest.mark.parametrize(
    ("state", "shift", "words"),
    [
        ("INVITED", timedelta(hours=2), "投票尚未开始"),
        ("CLOSED", timedelta(0), "投票已截止"),
        ("OPEN", timedelta(hours=-2), "投票已截止"),
        ("TALLIED", timedelta(0), "投票已截止"),
        ("POSTPONED", timedelta(hours=2), "会议已延期"),
        ("CANCELLED", timedelta(hours=2), "会议已取消"),
    ],
)
def test_while_the_polls_are_not_open_the_page_says_why(client, state, shift, words, handset):
    meeting = make_meeting(state=state, now=timezone.now() + shift)
    holder = make_holder(meeting)

    response = client.get(path_of(holder.pk))

    assert response.status_code == 200
    assert words in response.text
    assert "开始投票</button>" not in response.text
    assert client.post(path_of(holder.pk))["Location"] == path_of(holder.pk)
    assert handset.texts("") == []


def test_a_published_meeting_points_to_the_announcement(client):
    meeting = make_meeting(state="PUBLISHED", is_rehearsal=False)

    text = client.get(path_of(make_holder(meeting).pk)).text

    assert "表决结果已公布" in text
    assert "演练" not in text


def test_a_holder_without_shares_is_told_so(client):
    holder = make_holder(make_meeting())
    holder.shares = [0]
    holder.save()

    text = client.get(path_of(holder.pk)).text

    assert "没有可以表决的股份" in text
    assert "开始投票</button>" not in text


def test_a_holder_without_votes_is_told_so(client):
    holder = make_holder(make_meeting(), kind="V")

    assert "没有可以表决的股份" in client.get(path_of(holder.pk)).text


def test_after_the_vote_the_link_shows_time_and_code_but_no_choice(client, holder):
    ballot = cast(holder)

    text = client.get(path_of(holder.pk)).text

    assert "您已投票" in text
    assert ballot.code in text.replace(" ", "")
    assert "反对" not in text


def test_the_button_begins_a_session_and_sends_the_code(client, holder, handset):
    response = client.post(path_of(holder.pk))

    assert response.status_code == 303
    assert response["Location"] == reverse("identity:code", args=[holder.meeting_id])
    assert f"{django_settings.VOTER_COOKIE_PREFIX}{holder.meeting_id}" in response.cookies
    assert len(handset.texts("15400000001")) == 1


def test_pressing_the_button_twice_sends_one_code(client, holder, handset):
    for _tap in range(2):
        client.post(path_of(holder.pk))

    assert len(handset.texts("15400000001")) == 1


def test_a_form_on_another_site_begins_nothing(client, holder, handset):
    response = client.post(path_of(holder.pk), headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403
    assert not response.cookies
    assert handset.texts("") == []


def test_a_verified_browser_goes_on_to_the_ballot(holder, verified, handset):
    response = verified(holder).post(path_of(holder.pk))

    assert response["Location"] == reverse("ballots:ballot", args=[holder.meeting_id])
    assert handset.texts("") == []


def test_when_no_code_can_be_sent_the_page_says_so_and_names_the_other_ways(
    client, holder, handset, settings
):
    settings.GATEWAYS = {"sms": {**settings.GATEWAYS["sms"], "url": "http://127.0.0.1:9"}}

    response = client.post(path_of(holder.pk))

    assert response.status_code == 503
    assert "验证码暂时无法发送" in response.text
    assert "vote.sseinfo.com" in response.text


def test_without_redis_sending_a_code_is_refused_politely(client, holder, handset, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "unix:///nowhere/redis.sock",
        }
    }

    response = client.post(path_of(holder.pk))

    assert response.status_code == 503
    assert handset.texts("") == []


def test_the_agenda_changes_with_the_meetings_revision(client, holder):
    path = path_of(holder.pk)
    client.get(path)
    meeting = Meeting.objects.get()
    meeting.motions.filter(group=1).update(title="关于利润分配的议案")
    Meeting.objects.update(revision=meeting.revision + 1)
    live.forget()

    assert "关于利润分配的议案" in client.get(path).text


def test_a_page_with_its_style_fits_the_first_flight(client, holder):
    recuse(
        Meeting.objects.get().motions.get(group=2),
        account="A000000001",
        name="关联股东",
        by="operator:1",
        now=timezone.now(),
    )
    style = gzip.compress(Path(django_settings.BASE_DIR, "static/css/portal.css").read_bytes())

    page = gzip.compress(client.get(path_of(holder.pk)).content)

    assert len(page) + len(style) < 14_000


@pytest.mark.parametrize("choice", ["large", "normal"])
def test_large_type_is_kept_and_leads_back_to_the_page(client, holder, choice):
    path = path_of(holder.pk)

    response = client.post(reverse("identity:prefer"), {"prefer": choice, "next": path})

    assert response["Location"] == path
    assert ('class="large"' in client.get(path).text) == (choice == "large")


def test_preferences_lead_to_no_other_site(client):
    fields = {"prefer": "large", "next": "https://evil.example/"}

    assert client.post(reverse("identity:prefer"), fields)["Location"] == "/"


def test_a_holder_without_a_phone_is_led_to_the_other_ways(client, handset):
    holder = make_holder(make_meeting(), phone="")

    looked, pressed = client.get(path_of(holder.pk)), client.post(path_of(holder.pk))

    assert "名册中没有您的手机号码" in looked.text
    assert "开始投票</button>" not in looked.text
    assert pressed.status_code == 422
    assert "vote.sseinfo.com" in pressed.text

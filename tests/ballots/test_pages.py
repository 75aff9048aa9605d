"""The holder's pages from the code to the confirmation."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.views.defaults import server_error

from ballots import draft
from ballots.models import Ballot
from identity.links import personal_url
from meetings import live
from meetings.models import Document, Meeting, Motion, ShareClass
from meetings.preparing import recuse
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db
ANSWERS = {"m-1.00": "FOR", "m-2.00": "AGAINST", "c-3.01": "1500", "c-3.02": "500"}
PAGES = ("ballot", "review", "cast", "confirmation")


@pytest.fixture
def meeting():
    return make_meeting()


@pytest.fixture
def holder(meeting):
    return make_holder(meeting, shares=1_000)


@pytest.fixture
def browser(holder, verified):
    return verified(holder)


def url(name, meeting):
    return reverse(f"ballots:{name}", args=[meeting.pk])


def mark_in(response):
    return re.search(r'name="mark" value="(\w+)"', response.text)[1]


def send(browser, name, meeting, answers=ANSWERS, **fields):
    mark = mark_in(browser.get(url("ballot", meeting)))
    follow = name != "cast"
    return browser.post(url(name, meeting), {"mark": mark, **answers, **fields}, follow=follow)


def choices():
    return [ballot.choices for ballot in Ballot.objects.all()]


# --- The code ----------------------------------------------------------------------------------


@pytest.fixture
def asked(client, holder, handset):
    """A browser on the code's page, and where that is."""
    response = client.post(f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}")
    return client, response["Location"]


def test_the_code_opens_the_ballot(asked, meeting, handset):
    client, page = asked

    shown = client.get(page)
    response = client.post(page, {"code": handset.code()})

    assert "154****0001" in shown.text
    assert 'inputmode="numeric"' in shown.text
    assert 'autocomplete="one-time-code"' in shown.text
    assert response.status_code == 303
    assert response["Location"] == url("ballot", meeting)
    assert client.get(url("ballot", meeting)).status_code == 200


def test_a_code_may_be_typed_as_phones_type_it(asked, meeting, handset):
    client, page = asked
    full_width = "".join(chr(ord(digit) + 0xFEE0) for digit in handset.code())

    response = client.post(page, {"code": f" {full_width[:3]} {full_width[3:]} "})

    assert response["Location"] == url("ballot", meeting)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５", "12345x"])
def test_what_is_no_code_costs_no_try(asked, code):
    client, page = asked

    response = client.post(page, {"code": code})

    assert response.status_code == 422
    assert "6位数字" in response.text


def test_a_wrong_code_is_explained_and_opens_nothing(asked, meeting, handset):
    client, page = asked
    wrong = f"{(int(handset.code()) + 1) % 1_000_000:06d}"

    response = client.post(page, {"code": wrong})

    assert response.status_code == 422
    assert "还可再试4次" in response.text
    assert client.get(url("ballot", meeting))["Location"] == page


def test_the_code_of_another_browser_is_refused(asked, holder, handset):
    _client, page = asked
    thief = Client()
    thief.post(f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}")
    first = handset.texts("15400000001")[1].partition("验证码")[2][:6]

    response = thief.post(page, {"code": first})

    assert response.status_code == 422 or first == handset.code()


def test_the_code_can_be_sent_again_but_not_for_ever(asked, handset):
    client, page = asked

    again = [client.post(page, {"again": "1"}) for _request in range(3)]

    assert [response.status_code for response in again] == [303, 303, 429]
    assert "分钟后再获取" in again[2].text
    assert len(handset.texts("15400000001")) == 3


def test_a_verified_holder_need_not_enter_a_code(browser, meeting):
    response = browser.get(reverse("identity:code", args=[meeting.pk]))

    assert response["Location"] == url("ballot", meeting)


# --- Who may come in ---------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_without_a_session_every_page_leads_to_the_beginning(client, meeting, page):
    response = client.get(url(page, meeting))

    assert response.status_code == 302
    assert response["Location"] == reverse("identity:start")
    assert "重新打开" in client.get(response["Location"]).text


@pytest.mark.parametrize("page", PAGES)
def test_the_link_alone_leads_to_the_code(holder, meeting, verified, page):
    response = verified(holder, level=0).get(url(page, meeting))

    assert response["Location"] == reverse("identity:code", args=[meeting.pk])


@pytest.mark.parametrize("page", PAGES)
def test_a_session_of_one_meeting_opens_no_other(browser, page):
    other = make_meeting()

    assert browser.get(url(page, other))["Location"] == reverse("identity:start")


def test_a_new_link_ends_the_sessions_of_the_old_one(browser, holder, meeting):
    holder.link_generation = 1
    holder.save()

    assert browser.get(url("ballot", meeting))["Location"] == reverse("identity:start")


def test_signing_out_ends_the_session(browser, meeting):
    browser.post(reverse("identity:leave", args=[meeting.pk]))

    assert browser.get(url("ballot", meeting))["Location"] == reverse("identity:start")


def test_a_form_without_its_token_is_sent_to_the_beginning(holder, meeting, verified):
    strict = verified(holder, client=Client(enforce_csrf_checks=True))

    response = strict.post(url("cast", meeting), ANSWERS)

    assert response.status_code == 403
    assert "重新打开" in response.text
    assert choices() == []


# --- The ballot --------------------------------------------------------------------------------


def test_the_paper_has_every_motion_and_nothing_chosen(browser, meeting):
    Motion.objects.create(meeting=meeting, group=4, title="发行方案", kind="HEADING")
    Motion.objects.create(meeting=meeting, group=4, item=1, title="发行数量")
    Motion.objects.create(meeting=meeting, group=5, title="没有子议案的标题", kind="HEADING")
    Meeting.objects.update(revision=99)
    live.forget()

    text = browser.get(url("ballot", meeting)).text

    assert text.count('type="radio"') == 9
    assert "checked" not in text
    assert "发行方案" in text
    assert "m-4.00" not in text
    assert "2,000" in text  # 1,000 shares x 1 vote x 2 seats
    assert "最多投给2人" in text


@pytest.mark.parametrize("opinion", ["FOR", "AGAINST", "ABSTAIN"])
def test_one_button_fills_the_plain_motions_and_casts_nothing(browser, meeting, opinion):
    response = send(browser, "ballot", meeting, {"c-3.01": "7"}, fill=opinion)

    chosen = re.findall(r'name="(m-[\d.]+)" value="(\w+)" id="[^"]+" checked', response.text)
    assert chosen == [("m-1.00", opinion), ("m-2.00", opinion)]
    assert 'name="c-3.01" id="c-3.01" value="7"' in response.text
    assert choices() == []


def test_missing_answers_are_named_linked_and_the_others_kept(browser, meeting):
    response = send(browser, "review", meeting, {"m-2.00": "AGAINST", "c-3.01": "12"})

    assert response.status_code == 422
    assert 'href="#m-1.00"' in response.text
    assert 'href="#m-2.00"' not in response.text
    assert re.search(r'name="m-2.00" value="AGAINST" id="[^"]+" checked', response.text)
    assert 'value="12"' in response.text


def test_too_many_votes_are_explained(browser, meeting):
    response = send(browser, "review", meeting, {**ANSWERS, "c-3.01": "1501"})

    assert response.status_code == 422
    assert "超过您可用的2,000票" in response.text
    assert "超出 1 票" in response.text.replace("<b>", "")


@pytest.mark.parametrize("step", ["review", "cast"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"m-1.00": ""}, "请对议案1.00"),
        ({"c-3.01": "1501"}, "超过您可用的2,000票"),
        ({"c-3.01": "1", "c-3.03": "1"}, "最多投给2人"),
        ({"m-2.00": "FOR"}, "只能同意其中一项"),
    ],
)
def test_a_refused_ballot_is_shown_again_as_it_was_filled_in_and_is_nowhere(
    browser, meeting, step, changes, words
):
    meeting.motions.filter(kind="PLAIN").update(exclusive_group="同一事项")
    live.forget()

    page = send(browser, step, meeting, ANSWERS | changes)

    assert page.status_code == 422
    assert words in page.text
    for name, value in (ANSWERS | changes).items():
        kept = (
            rf'name="{name}" value="{value}"[^>]* checked'
            if name[0] == "m"
            else (rf'name="{name}"[^>]* value="{value}"|value="{value}"[^>]* name="{name}"')
        )
        assert not value or re.search(kept, page.text), name
    assert not Ballot.objects.exists()


@pytest.mark.parametrize("text", ["1.5", "-1", "一百", "1e3", "9" * 16])
def test_what_is_no_number_of_votes_is_refused_and_kept(browser, meeting, text):
    response = send(browser, "cast", meeting, {**ANSWERS, "c-3.01": text})

    assert response.status_code == 422
    assert f'value="{text}"' in response.text
    assert choices() == []


def test_votes_may_be_typed_with_separators_and_full_width(browser, meeting):
    send(browser, "cast", meeting, {**ANSWERS, "c-3.01": "1,２00", "c-3.02": " 800 "})

    assert choices()[0]["3.00"] == {"3.01": 1_200, "3.02": 800}


def test_the_remaining_votes_are_said(browser, meeting):
    response = send(browser, "ballot", meeting, {"c-3.01": "1,500"}, count="3.00")

    assert response.status_code == 200
    assert "还剩 500 票" in response.text


def test_even_spreading_goes_to_those_who_were_named(browser, meeting):
    answers = {"c-3.01": "1", "c-3.03": "1"}
    response = send(browser, "ballot", meeting, answers, spread="3.00")

    values = re.findall(r'name="c-3.0\d" id="c-3.0\d" value="(\d*)"', response.text)
    assert values == ["1000", "", "1000"]


def test_even_spreading_in_a_contested_election_never_chooses_for_the_holder(browser, meeting):
    response = send(browser, "ballot", meeting, {}, spread="3.00")

    assert response.status_code == 422
    assert "最多投给2人" in response.text
    values = re.findall(r'name="c-3.0\d" id="c-3.0\d" value="(\d*)"', response.text)
    assert values == ["", "", ""]


def test_the_way_of_reading_can_be_changed_without_losing_a_choice(browser, meeting):
    response = send(browser, "ballot", meeting, prefer="large")

    assert 'class="large"' in response.text
    assert response.text.count(" checked") == 2
    assert 'class="large"' in browser.get(url("ballot", meeting)).text


# --- Recusal -----------------------------------------------------------------------------------


@pytest.fixture
def recused(meeting, holder):
    recuse(
        meeting.motions.get(group=2),
        account="A000000001",
        name="关联股东",
        by="operator:1",
        now=timezone.now(),
    )


@pytest.mark.usefixtures("recused")
def test_a_recused_motion_is_shown_disabled_with_the_reason(browser, meeting):
    text = browser.get(url("ballot", meeting)).text

    assert "回避表决" in text
    assert len(re.findall(r'name="m-2.00" value="\w+" id="[^"]+" disabled', text)) == 3


@pytest.mark.usefixtures("recused")
def test_a_recused_motion_is_neither_filled_nor_cast(browser, meeting):
    filled = send(browser, "ballot", meeting, {}, fill="FOR")
    assert not re.search(r'name="m-2.00" [^>]* checked', filled.text)

    send(browser, "cast", meeting)

    assert "2.00" not in choices()[0]


@pytest.mark.usefixtures("recused")
def test_a_holder_recused_from_everything_is_told_so(browser, meeting):
    for motion in meeting.motions.exclude(group=2):
        recuse(motion, account="A000000001", name="关联", by="operator:1", now=timezone.now())

    response = browser.get(url("ballot", meeting))

    assert response.status_code == 409
    assert "回避表决" in response.text


# --- Review, cast, confirmation ------------------------------------------------------------------


def test_the_review_shows_every_choice_and_carries_it(browser, meeting):
    response = send(browser, "review", meeting)

    assert response.status_code == 200
    carried = dict(
        re.findall(r'<input type="hidden" name="([mc]-[^"]+)" value="([^"]*)"', response.text)
    )
    assert carried == ANSWERS
    assert "不能修改" in response.text
    assert response.text.count(f'formaction="{url("ballot", meeting)}#m-') == 3
    assert choices() == []


def test_votes_left_over_are_asked_about(browser, meeting):
    whole = send(browser, "review", meeting)
    partly = send(browser, "review", meeting, {**ANSWERS, "c-3.02": "400"})
    empty = send(browser, "review", meeting, {**ANSWERS, "c-3.01": "", "c-3.02": ""})

    assert "没有使用的票将作废" not in whole.text
    assert "还有 100 票没有使用" in partly.text
    assert "没有使用的票将作废" in partly.text
    assert "还有 2,000 票没有使用" in empty.text


def test_changing_an_answer_keeps_the_others(browser, meeting):
    response = send(browser, "ballot", meeting)

    assert response.text.count(" checked") == 2
    assert 'value="1500"' in response.text


def test_a_confirmed_ballot_is_in_the_books(browser, meeting):
    response = send(browser, "cast", meeting)

    assert response.status_code == 303
    assert response["Location"] == url("confirmation", meeting)
    assert choices() == [{"1.00": "FOR", "2.00": "AGAINST", "3.00": {"3.01": 1_500, "3.02": 500}}]


def test_the_confirmation_shows_time_code_shares_and_own_choices(browser, meeting):
    send(browser, "cast", meeting)

    text = browser.get(url("confirmation", meeting)).text

    ballot = Ballot.objects.get()
    assert " ".join(re.findall("....", ballot.code)) in text
    assert f"{timezone.localtime(ballot.cast_at):%H:%M:%S}" in text
    assert "1,000" in text
    assert "1,500" in text
    assert "<details>" in text


def test_without_redis_a_verified_holder_votes(browser, meeting, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "unix:///nowhere/redis.sock",
        }
    }

    send(browser, "cast", meeting)

    assert browser.get(url("confirmation", meeting)).status_code == 200
    assert len(choices()) == 1


def test_sending_twice_shows_the_same_confirmation(browser, meeting):
    mark = mark_in(browser.get(url("ballot", meeting)))
    pages = []
    for answers in (ANSWERS, {**ANSWERS, "m-1.00": "AGAINST"}):
        response = browser.post(url("cast", meeting), {"mark": mark, **answers}, follow=True)
        pages.append(response.context["ballots"][0][0].code)

    assert pages[0] == pages[1]
    assert choices()[0]["1.00"] == "FOR"


@pytest.mark.parametrize("page", ["ballot", "review", "cast"])
def test_after_the_vote_going_back_shows_the_confirmation(browser, meeting, page):
    mark = mark_in(browser.get(url("ballot", meeting)))
    browser.post(url("cast", meeting), {"mark": mark, **ANSWERS})

    looked = browser.get(url(page, meeting), follow=True)
    posted = browser.post(url(page, meeting), {"mark": mark, **ANSWERS})

    assert looked.request["PATH_INFO"] == url("confirmation", meeting)
    assert posted["Location"] == url("confirmation", meeting)


def test_the_review_cannot_be_skipped_past_the_rules(browser, meeting):
    response = send(browser, "cast", meeting, {"m-1.00": "FOR"})

    assert response.status_code == 422
    assert 'href="#m-2.00"' in response.text
    assert choices() == []


@pytest.mark.parametrize("page", ["review", "cast"])
def test_looking_at_a_step_casts_nothing(browser, meeting, page):
    response = browser.get(url(page, meeting), ANSWERS)

    assert response["Location"] == url("ballot", meeting)
    assert choices() == []


def test_there_is_no_confirmation_before_the_vote(browser, meeting):
    assert browser.get(url("confirmation", meeting))["Location"] == url("ballot", meeting)


@pytest.mark.parametrize("page", ["ballot", "review", "cast"])
def test_the_form_of_another_holder_changes_nothing(holder, meeting, verified, page):
    other = make_holder(meeting, name="李四")
    stale = mark_in(verified(other).get(url("ballot", meeting)))

    response = verified(holder).post(url(page, meeting), {"mark": stale, **ANSWERS})

    assert response.status_code == 409
    assert "不属于" in response.text
    assert choices() == []


def test_what_is_not_on_the_paper_is_not_cast(browser, meeting):
    send(browser, "cast", meeting, {**ANSWERS, "m-3.00": "FOR", "m-9.00": "FOR", "c-3.09": "5"})

    assert choices() == [{"1.00": "FOR", "2.00": "AGAINST", "3.00": {"3.01": 1_500, "3.02": 500}}]


def test_an_opinion_that_does_not_exist_is_no_answer(browser, meeting):
    response = send(browser, "cast", meeting, {**ANSWERS, "m-1.00": "MAYBE"})

    assert response.status_code == 422
    assert choices() == []


def test_after_the_close_the_vote_is_refused_with_a_page(browser, meeting):
    mark = mark_in(browser.get(url("ballot", meeting)))
    now = timezone.now()
    Meeting.objects.update(
        polls_open_at=now - timedelta(hours=2), polls_close_at=now - timedelta(seconds=1)
    )
    live.forget()

    response = browser.post(url("cast", meeting), {"mark": mark, **ANSWERS})

    assert response.status_code == 409
    assert "已经截止" in response.text
    assert "vote.sseinfo.com" in response.text
    assert browser.get(url("ballot", meeting)).status_code == 409
    assert choices() == []


def test_each_class_of_shares_has_its_own_ballot(meeting, verified):
    ShareClass.objects.create(meeting=meeting, number=1, code="B", capital=1_000)
    Motion.objects.create(meeting=meeting, group=4, title="B股专项", share_classes=["B"])
    Meeting.objects.update(revision=99)
    live.forget()
    holder = make_holder(meeting, shares=1_000)
    holder.shares = [1_000, 40]
    holder.save()
    browser = verified(holder)

    first = send(browser, "cast", meeting)
    confirmation = browser.get(url("confirmation", meeting))
    paper = browser.get(url("ballot", meeting))
    second = send(
        browser, "cast", meeting, {**ANSWERS, "c-3.01": "80", "c-3.02": "", "m-4.00": "FOR"}
    )

    assert first.status_code == second.status_code == 303
    assert "继续表决B股" in confirmation.text
    assert "B股专项" in paper.text
    assert [ballot.share_class for ballot in Ballot.objects.order_by("id")] == [0, 1]
    assert "继续表决" not in browser.get(url("confirmation", meeting)).text


# --- The draft in the browser --------------------------------------------------------------------


def test_going_back_and_reloading_keep_what_was_filled_in(browser, meeting):
    send(browser, "review", meeting)

    ballot, review = browser.get(url("ballot", meeting)), browser.get(url("review", meeting))

    assert ballot.text.count(" checked") == 2
    assert 'value="1500"' in ballot.text
    assert 'name="c-3.01" value="1500"' in review.text


def test_a_session_that_ended_loses_no_choice(browser, holder, meeting, verified):
    send(browser, "ballot", meeting)
    del browser.cookies[f"voter-{meeting.pk}"]
    assert browser.get(url("ballot", meeting)).status_code == 302

    again = verified(holder, client=browser).get(url("ballot", meeting))

    assert again.text.count(" checked") == 2


@pytest.mark.parametrize("page", ["ballot", "review", "cast"])
def test_a_form_that_came_after_its_session_loses_no_choice(
    browser, holder, meeting, verified, page
):
    mark = mark_in(browser.get(url("ballot", meeting)))
    browser.cookies.pop(f"voter-{meeting.pk}")
    late = browser.post(url(page, meeting), {"mark": mark, **ANSWERS, "other": "x"})
    told = browser.get(late["Location"]).text

    again = verified(holder, client=browser).get(url("ballot", meeting)).text

    assert late["Location"] == reverse("identity:start")
    assert "还保留在本浏览器中" in told
    assert again.count(" checked") == 2
    assert 'value="1500"' in again
    assert choices() == []


def test_a_late_form_is_read_by_nobody_else(browser, meeting, verified):
    mark = mark_in(browser.get(url("ballot", meeting)))
    browser.cookies.pop(f"voter-{meeting.pk}")
    browser.post(url("review", meeting), {"mark": mark, **ANSWERS})

    other = verified(make_holder(meeting), client=browser).get(url("ballot", meeting)).text

    assert " checked" not in other


@pytest.mark.parametrize("sent", [{}, {"mark": "no mark"}, {"mark": "0" * 32, "m-1.00": ""}])
def test_a_late_form_with_nothing_in_it_leaves_nothing(client, meeting, sent):
    response = client.post(url("review", meeting), sent)

    assert not response.cookies


def test_one_button_leads_to_the_review_when_nothing_is_left_to_fill_in(browser, meeting):
    Motion.objects.filter(meeting=meeting, kind="CUMULATIVE").delete()
    Meeting.objects.update(revision=99)
    live.forget()

    response = send(browser, "ballot", meeting, {}, fill="AGAINST")

    assert response.redirect_chain == [(url("review", meeting), 303)]
    assert response.text.count("said against") == 2
    assert choices() == []


def test_the_draft_of_another_holder_is_not_shown(browser, meeting, verified):
    send(browser, "ballot", meeting)

    other = verified(make_holder(meeting, name="李四"), client=browser)

    assert " checked" not in other.get(url("ballot", meeting)).text


@pytest.mark.parametrize("value", ["", "x", "a:b:c"])
def test_a_changed_draft_is_none(browser, meeting, value):
    browser.cookies[f"voter-{meeting.pk}-draft"] = value

    assert browser.get(url("ballot", meeting)).status_code == 200
    assert browser.get(url("review", meeting))["Location"] == url("ballot", meeting)


def test_a_draft_too_long_for_a_cookie_is_shown_at_once(browser, meeting, monkeypatch):
    monkeypatch.setattr(draft, "MOST_BYTES", 10)

    response = send(browser, "review", meeting)

    assert response.redirect_chain == []
    assert "不能修改" in response.text


def test_the_draft_goes_with_the_vote_and_with_the_sign_out(browser, meeting):
    send(browser, "ballot", meeting)
    left = browser.post(reverse("identity:leave", args=[meeting.pk]))
    assert left.cookies[f"voter-{meeting.pk}-draft"]["max-age"] == 0


def test_what_is_cast_is_what_the_review_showed_and_not_the_draft(browser, meeting):
    send(browser, "review", meeting)
    mark = mark_in(browser.get(url("review", meeting)))
    send(browser, "ballot", meeting, {**ANSWERS, "m-1.00": "AGAINST"})  # in another tab

    response = browser.post(url("cast", meeting), {"mark": mark, **ANSWERS})

    assert choices()[0]["1.00"] == "FOR"
    assert response.cookies[f"voter-{meeting.pk}-draft"]["max-age"] == 0


# --- Headers and public pages ------------------------------------------------------------------


def test_personal_pages_are_kept_nowhere(browser, meeting):
    pages = [browser.get(url("ballot", meeting)), send(browser, "review", meeting)]

    for response in pages:
        assert response["Cache-Control"] == "no-store, private"
        assert response["X-Robots-Tag"] == "noindex, noarchive"
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


@pytest.fixture
def paper(meeting):
    return Document.objects.create(
        meeting=meeting, title="2025年年度报告", content=b"%PDF-1.7 x", size=10, sha256=""
    )


def test_a_document_is_a_download(client, meeting, paper):
    response = client.get(reverse("ballots:document", args=[meeting.pk, paper.pk]))

    assert response.content == b"%PDF-1.7 x"
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"].startswith("attachment; filename*=utf-8''2025")
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("state", ["DRAFT", "REGISTER_LOADED", "MOTIONS_CONFIRMED"])
def test_before_the_invitation_no_document_is_public(client, meeting, paper, state):
    Meeting.objects.update(state=state)
    live.forget()

    assert client.get(reverse("ballots:document", args=[meeting.pk, paper.pk])).status_code == 404


def test_a_document_of_another_meeting_is_not_found(client, paper):
    other = make_meeting()

    assert client.get(reverse("ballots:document", args=[other.pk, paper.pk])).status_code == 404


@pytest.mark.parametrize(
    "name", ["ballots:home", "ballots:help", "ballots:privacy", "identity:start"]
)
def test_public_pages_name_the_hotline(client, name):
    response = client.get(reverse(name))

    assert response.status_code == 200
    assert "400-888-8400" in response.text
    assert not response.cookies


def test_robots_are_sent_away(client):
    assert client.get("/robots.txt").text == "User-agent: *\nDisallow: /\n"


def test_a_missing_page_looks_like_the_others(client):
    response = client.get("/nowhere")

    assert response.status_code == 404
    assert "400-888-8400" in response.text
    assert "portal.css" in response.text


def test_the_page_for_a_failure_needs_nothing(client):
    response = server_error(client.get("/help").wsgi_request)

    assert response.status_code == 500
    assert "400-888-8400" in response.text


def test_a_long_ballot_with_its_style_fits_the_first_flight(meeting, browser, settings):
    Motion.objects.bulk_create(
        Motion(meeting=meeting, group=group, title=f"关于第{group}项重大事项及相关安排的议案")
        for group in range(4, 31)
    )
    Meeting.objects.update(revision=99)
    live.forget()
    style = gzip.compress((settings.BASE_DIR / "static/css/portal.css").read_bytes())

    response = send(browser, "review", meeting, {})  # with every fault said

    assert response.status_code == 422
    assert len(gzip.compress(response.content)) + len(style) < 14_000

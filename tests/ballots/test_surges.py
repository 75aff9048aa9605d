"""What all holders of a meeting have in common is drawn once, holds nothing of one of them, and is
never shown past a change of the meeting."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.template import loader
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ballots import landing, public, sheet
from identity.links import personal_url
from meetings import lifecycle, live
from meetings.models import Meeting
from meetings.preparing import recuse
from tests.factories import make_holder, make_meeting
from voting_portal.common import fragments, quick_redis

pytestmark = pytest.mark.django_db
PEOPLE = [
    {"name": "欧阳建国", "phone": "15400000017", "shares": 71_117},
    {"name": "诸葛小明", "phone": "15400009931", "shares": 93_339},
]
ANSWERS = {"m-1.00": "FOR", "m-2.00": "AGAINST", "c-3.01": "4321"}


def path_of(holder):
    return f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}"


def url(name, meeting_id):
    return reverse(f"ballots:{name}", args=[meeting_id])


def pages_of(holder, browser):
    """Everything a holder looks at on the way to the cast, with choices made."""
    meeting = holder.meeting_id
    yield browser.get(path_of(holder)).text
    blank = browser.get(url("ballot", meeting)).text
    yield blank
    mark = re.search(r'name="mark" value="(\w+)"', blank)[1]
    yield browser.post(url("review", meeting), {"mark": mark, **ANSWERS}, follow=True).text
    yield browser.get(url("ballot", meeting)).text


def kept():
    """All fragments, of the process and of Redis."""
    store = redis.Redis.from_url(settings.REDIS_URL)
    in_redis = [store.get(key)[32:].decode() for key in store.scan_iter("fragment:*")]
    return [*fragments._Kept.newer.values(), *fragments._Kept.older.values(), *in_redis]


@pytest.fixture
def draws(monkeypatch):
    """The names of the templates drawn from here on."""
    drawn = []
    render = loader.render_to_string

    def watched(template, *rest, **more):
        drawn.append(template)
        return render(template, *rest, **more)

    for module in (landing, sheet, public):
        monkeypatch.setattr(module, "render_to_string", watched)
    return drawn


# --- Drawn once ------------------------------------------------------------------------------


def test_the_second_holder_is_shown_what_was_drawn_for_the_first(verified, draws):
    meeting = make_meeting()
    meeting.motions.filter(group=3).delete()
    first, second = (make_holder(meeting, **person) for person in PEOPLE)
    live.forget()
    list(pages_of(first, verified(first)))
    drawn_for_first = len(draws)

    list(pages_of(second, verified(second)))

    assert drawn_for_first == 4  # landing, card, ballot, review
    assert draws[drawn_for_first:] == []


def test_an_election_is_all_that_is_drawn_for_each_holder(verified, draws):
    meeting = make_meeting()
    first, second = (make_holder(meeting, **person) for person in PEOPLE)
    list(pages_of(first, verified(first)))
    del draws[:]

    list(pages_of(second, verified(second)))

    assert set(draws) == {"ballots/cumulative_line.html", "ballots/answer.html"}


def test_a_new_process_draws_nothing_that_another_has_drawn(verified, draws):
    meeting = make_meeting()
    meeting.motions.filter(group=3).delete()
    holder = make_holder(meeting)
    list(pages_of(holder, verified(holder)))
    del draws[:]
    fragments.forget()

    list(pages_of(holder, verified(holder)))

    assert draws == []


def test_without_redis_every_page_is_shown(verified, settings, draws):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    holder = make_holder(make_meeting(), **PEOPLE[0])

    pages = list(pages_of(holder, verified(holder)))

    assert holder.name_masked in pages[0]
    assert "确认投票" in pages[2]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_page_from_the_sheet_is_the_page_of_its_template(verified, monkeypatch, language):
    holder = make_holder(make_meeting(), **PEOPLE[0])

    def pages():
        browser = verified(holder)
        browser.cookies[settings.LANGUAGE_COOKIE_NAME] = language
        own = r'"csrfmiddlewaretoken" value="\w+"|class="(?:fine|pill open)">[^<]+|\d\d:\d\d'
        return [re.sub(own, "", page) for page in pages_of(holder, browser)]

    from_sheet = pages()
    monkeypatch.setattr(sheet, "_is_ordinary", lambda _paper: False)
    whole = pages()

    assert [page.splitlines() for page in from_sheet] == [page.splitlines() for page in whole]
    assert " checked" in from_sheet[3]
    assert not any("\0" in page for page in from_sheet)


def test_a_holder_with_a_recusal_has_a_page_drawn_whole(verified, draws):
    meeting = make_meeting()
    holder = make_holder(meeting)
    recuse(
        meeting.motions.get(group=2),
        account="A000000001",
        name="关联股东",
        by="operator:1",
        now=timezone.now(),
    )

    text = verified(holder).get(url("ballot", meeting.pk)).text

    assert "回避表决" in text
    assert "\0" not in text
    assert draws == ["ballots/ballot.html"]


# --- Nothing personal ------------------------------------------------------------------------


def test_no_fragment_holds_a_byte_of_a_holder(verified):
    meeting = make_meeting()
    holders = [make_holder(meeting, **person) for person in PEOPLE]
    seen = set()
    for holder in holders:
        for like in ({}, {"Accept-Language": "en"}):
            browser = verified(holder)
            browser.defaults |= {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in like.items()}
            pages = list(pages_of(holder, browser))
            seen |= {holder.name_masked, holder.phone_masked, path_of(holder)}
            seen |= {f"{holder.shares[0]:,}", str(holder.shares[0]), str(holder.pk), "4321"}
            for page in pages:
                seen |= set(re.findall(r'name="(?:mark|csrfmiddlewaretoken)" value="(\w+)"', page))
                seen |= set(re.findall(r'class="fine">\D+(\w{12})<', page))

    found = kept()

    assert len(seen) > 30
    assert len(found) >= 16
    assert [one for one in seen if any(one in text for text in found)] == []
    assert not any(" checked" in text for text in found)


def test_two_holders_see_the_same_but_for_their_own_figures(verified):
    meeting = make_meeting()
    pages = []
    for person in PEOPLE:
        holder = make_holder(meeting, **person)
        text = Client().get(path_of(holder)).text
        own = (holder.name_masked, holder.phone_masked, f"{holder.shares[0]:,}", path_of(holder))
        assert all(one in text for one in own)
        for one in own:
            text = text.replace(one, "…")
        pages.append(re.sub(r"页面编号 \w+", "", text))

    assert pages[0] == pages[1]


# --- Never past a change -----------------------------------------------------------------------


def _correct(pk):
    meeting = Meeting.objects.get(pk=pk)
    meeting.motions.filter(group=1).update(title="关于利润分配的更正议案")
    Meeting.objects.filter(pk=pk).update(revision=meeting.revision + 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pk: lifecycle.postpone(pk, by="operator:1", now=timezone.now()), "会议已延期"),
        (lambda pk: lifecycle.cancel(pk, by="operator:1", now=timezone.now()), "会议已取消"),
        (_correct, "关于利润分配的更正议案"),
    ],
    ids=["postponed", "cancelled", "corrected"],
)
def test_a_change_of_the_meeting_is_on_the_next_page(client, change, words):
    meeting = make_meeting(state="INVITED", now=timezone.now() + timedelta(hours=2))
    holder = make_holder(meeting)
    addresses = (path_of(holder), url("agenda", meeting.pk))
    for address in addresses:
        assert words not in client.get(address).text
    change(meeting.pk)
    live.forget()

    texts = [client.get(address).text for address in addresses]

    assert all(words in text for text in texts)


@pytest.mark.parametrize("address", ["landing", "agenda"])
def test_at_the_very_moment_of_the_close_the_pages_say_so(client, monkeypatch, address):
    now = timezone.now()
    close = now + timedelta(minutes=3)
    meeting = make_meeting(polls_close_at=close)
    holder = make_holder(meeting)
    path = path_of(holder) if address == "landing" else url("agenda", meeting.pk)

    def text(at):
        monkeypatch.setattr("django.utils.timezone.now", lambda: at)
        return client.get(path).text

    before, last = text(close - timedelta(microseconds=1)), text(close)
    after = text(close + timedelta(microseconds=1))

    assert "投票中" in before
    assert "投票中" in last  # the casting statement takes a ballot of this moment, too
    assert "投票已截止" in after
    assert "开始投票</button>" not in after


def test_at_the_opening_the_pages_say_so(client, monkeypatch):
    opening = timezone.now() + timedelta(minutes=3)
    meeting = make_meeting(
        state="INVITED", polls_open_at=opening, polls_close_at=opening + timedelta(hours=1)
    )
    path = path_of(make_holder(meeting))

    def text(at):
        monkeypatch.setattr("django.utils.timezone.now", lambda: at)
        return client.get(path).text

    assert "投票尚未开始" in text(opening - timedelta(microseconds=1))
    assert "投票中" in text(opening)


# --- The agenda for everybody ------------------------------------------------------------------


def test_the_public_agenda_says_what_is_put_to_the_vote_and_nothing_of_holders(client):
    meeting = make_meeting()
    make_holder(meeting)

    response = client.get(url("agenda", meeting.pk))

    for words in (
        meeting.title,
        "关于修改公司章程的议案",
        "候选人：",
        "股权登记日",
        "vote.sseinfo.com",
    ):
        assert words in response.text
    assert "张*三" not in response.text
    assert "页面编号" not in response.text
    assert not response.cookies
    assert response["Cache-Control"] == "public, max-age=5"


@pytest.mark.parametrize("state", ["DRAFT", "MOTIONS_CONFIRMED"])
def test_the_agenda_of_a_meeting_not_yet_called_is_not_found(client, state):
    assert client.get(url("agenda", make_meeting(state=state).pk)).status_code == 404


@pytest.mark.parametrize(
    ("before", "seconds"),
    [(60.0, 5), (5.0, 4), (3.2, 3), (2.0, 1), (1.5, 1), (1.0, 0), (0.3, 0), (0.0, 0), (-0.1, 5)],
)
def test_a_copy_of_the_agenda_never_outlives_the_close(before, seconds):
    meeting = make_meeting()
    known = live.live_meeting(meeting.pk)
    at = known.polls_close_at - timedelta(seconds=before)

    assert public.seconds_to_keep(known, at=at) == max(0, seconds)


def test_pages_of_words_may_be_kept_and_pages_of_holders_not(client):
    holder = make_holder(make_meeting())

    kept_for = {path: client.get(path)["Cache-Control"] for path in ("/", "/help", "/privacy")}

    assert set(kept_for.values()) == {"public, max-age=60"}
    assert client.get(path_of(holder))["Cache-Control"] == "no-store, private"


def test_redis_that_is_gone_is_asked_again_after_a_while(settings, monkeypatch):
    working, settings.REDIS_URL = settings.REDIS_URL, "unix:///nowhere/redis.sock"
    fragments.drawn("agenda", draw=lambda: "text")
    settings.REDIS_URL = working
    assert quick_redis.ask(lambda store: store.ping()) is None

    monkeypatch.setattr(quick_redis, "REST_SECONDS", 0)
    quick_redis.forget()

    assert quick_redis.ask(lambda store: store.ping()) is True

"""Every address: looked at twice it changes nothing, and what people write is only text on it."""

from __future__ import annotations

import re
from html import escape

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import path, reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from identity.links import personal_url
from meetings import live
from meetings.models import Holder, Meeting, Motion
from tests.factories import make_holder, make_meeting, make_operator, make_secretary
from tests.house.test_visitors import GET, TABLE, admin_paths
from voting_portal import urls

pytestmark = pytest.mark.django_db

# What looking is allowed to write: a session of staff is kept alive by it, and what an auditor
# must know of is written down (tests/ballots/test_secrecy.py, test_console.py). The key that signs
# the log is made when it is first asked for, whoever asks.
NOTED = {"django_session", "meetings_journalentry", "identity_user", "meetings_logkey"}


def books() -> dict[str, tuple[object, ...]]:
    """A fingerprint of every table's rows."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            if table not in NOTED and table in connection.introspection.table_names(cursor):
                cursor.execute(
                    f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) "
                    f'FROM "{table}" t'
                )
                found[table] = cursor.fetchone()
    return found


@pytest.fixture
def people(verified):
    """Browsers of everybody, and the paths that each looks at."""
    meeting = make_meeting()
    holder = make_holder(meeting)
    addresses = [row.path.format(meeting=meeting.pk) for row in TABLE.values()]
    addresses.append(f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}")
    operator, secretary = Client(), Client()
    operator.force_login(make_operator())
    secretary.force_login(make_secretary(meeting.issuer))
    return [
        (Client(), addresses),
        (verified(holder), addresses),
        (secretary, addresses),
        (operator, addresses + admin_paths()),
    ]


def test_looking_at_every_page_twice_changes_nothing(people):
    before = books()

    statuses = [
        getattr(browser, method)(address).status_code
        for browser, addresses in people
        for address in addresses
        for method in ("get", "head", "get")
    ]

    assert len(before) > 30
    assert books() == before
    assert len(statuses) > 400
    assert not [status for status in statuses if status >= 500]


def test_the_crawl_would_notice_a_single_changed_row(people):
    before = books()

    Holder.objects.update(link_generation=1)

    assert {table for table, rows in books().items() if rows != before[table]} == {
        "meetings_holder"
    }


# --- What people write -------------------------------------------------------------------------

TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs", "Cc")),
    min_size=1,
    max_size=30,
)
HOSTILE = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "\"><img src=x onerror='x'>",
        "{{ settings.SECRET_KEY }}{% debug %}",
        "</title><svg onload=x>",
        "javascript:alert(1)//",
        "&lt;script&gt;&#60;b&#62;",
        "';--\" OR 1=1",
    ]
)


@given(text=st.builds("".join, st.lists(TEXT | HOSTILE, min_size=1, max_size=3)))
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_people_write_is_only_text_on_a_page(verified, text):
    cache.clear()  # each example begins with fresh limits
    text = f"<q>{text}"
    meeting = make_meeting(title=text[:60])
    Motion.objects.filter(meeting=meeting).update(title=text)
    Meeting.objects.filter(pk=meeting.pk).update(revision=meeting.revision + 1)
    holder = make_holder(meeting)
    Holder.objects.filter(pk=holder.pk).update(name_masked=text[:40])
    live.forget()
    browser, operator, secretary = verified(holder), Client(), Client()
    operator.force_login(make_operator())
    secretary.force_login(make_secretary(meeting.issuer))

    shown = [
        browser.get(f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}"),
        browser.get(reverse("ballots:ballot", args=[meeting.pk])),
        browser.post("/enter", {"security_code": "<q>1", "vote_code": text}),
        Client().post("/staff/login", {"username": text, "password": "x", "next": f"/{text}"}),
        Client().get("/staff/login", {"next": f"/{text}"}),
        secretary.get("/secretary/"),
        operator.get("/admin/meetings/meeting/", {"q": text}),
        operator.get(f"/admin/meetings/meeting/{meeting.pk}/change/"),
    ]

    for page in shown:
        assert page.status_code in {200, 422}
        assert "<q>" not in page.text
        assert not re.search(r"<script(?![^>]*\ssrc=)", page.text)
        assert "<img src=x" not in page.text
        assert "<svg onload" not in page.text
    assert escape(text)[:100] in shown[1].text


# --- A page that fails -------------------------------------------------------------------------


def broken(_request):
    raise RuntimeError("15400000001 must not be on a page")


broken.login_required = False
urlpatterns = [*urls.urlpatterns, path("broken", broken, name="broken")]


def test_a_page_that_fails_says_nothing_of_why_and_carries_the_headers(settings):
    settings.ROOT_URLCONF = __name__
    settings.SECURE_HSTS_SECONDS = 31_536_000

    answer = Client(raise_request_exception=False).get("/broken", secure=True)

    assert answer.status_code == 500
    assert "15400000001" not in answer.text
    assert settings.HOTLINE in answer.text
    for name in ("Strict-Transport-Security", "Content-Security-Policy", "Permissions-Policy"):
        assert answer[name]


@pytest.mark.parametrize("name", sorted(n for n, row in TABLE.items() if row.method != GET))
def test_a_form_without_its_token_or_of_another_site_does_nothing(name):
    """Left out: what needs no token, and says why in the code."""
    address = TABLE[name].path.format(meeting=make_meeting().pk)
    before = books()
    browser = Client(enforce_csrf_checks=True)

    bare = browser.post(address, {"x": "1"})
    foreign = browser.post(address, {"x": "1"}, headers={"Origin": "https://evil.example"})

    if name == "identity:prefer" or name.startswith("notifications:"):
        assert {bare.status_code, foreign.status_code} <= {303, 404}
    else:
        assert (bare.status_code, foreign.status_code) == (403, 403)
    assert books() == before

"""Every address against every kind of visitor: who has no business there finds nothing.

A new address is written into TABLE, or the first test fails. 302 and 303 lead to the sign-in or to
the page that says how to begin; 404 is for what is not yours.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import pytest
from django.apps import apps
from django.http import HttpResponse
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from ballots.opening import ask_for_tally, open_tally
from tests.factories import make_issuer, make_meeting, make_operator, make_secretary

VISITORS = ("anonymous", "stranger", "secretary", "operator")
GET, POST = "GET", "POST"


@dataclass(frozen=True)
class Row:
    """What each visitor, who holds no voter's cookie, gets; `{meeting}` is one with a tally."""

    method: str
    path: str
    anonymous: int
    stranger: int  # the secretary of another issuer
    secretary: int  # of this meeting's issuer
    operator: int


def everybody(method: str, path: str, status: int) -> Row:
    return Row(method, path, status, status, status, status)


TABLE = {
    "live": everybody(GET, "/live", 200),
    "ready": everybody(GET, "/ready", 200),
    "metrics": everybody(GET, "/metrics", 404),
    "ballots:home": everybody(GET, "/", 200),
    "ballots:help": everybody(GET, "/help", 200),
    "ballots:privacy": everybody(GET, "/privacy", 200),
    "ballots:robots": everybody(GET, "/robots.txt", 200),
    "ballots:no-link": everybody(GET, "/v/", 404),
    "ballots:link": everybody(GET, "/v/1abcd2efgh3ijkl4mnop5qrst", 404),
    "ballots:agenda": everybody(GET, "/m/{meeting}", 200),
    "ballots:document": everybody(GET, "/m/{meeting}/documents/1", 404),
    "ballots:ballot": everybody(GET, "/m/{meeting}/ballot", 302),
    "ballots:review": everybody(POST, "/m/{meeting}/review", 302),
    "ballots:cast": everybody(POST, "/m/{meeting}/cast", 302),
    "ballots:confirmation": everybody(GET, "/m/{meeting}/confirmation", 302),
    "ballots:promise": everybody(GET, "/m/{meeting}/promise", 302),
    "ballots:promise-file": everybody(GET, "/m/{meeting}/promise.txt", 302),
    "ballots:proof": everybody(GET, "/m/{meeting}/proof", 302),
    "ballots:log": everybody(GET, "/m/{meeting}/log", 200),
    "ballots:log-checkpoint": everybody(GET, "/m/{meeting}/log/checkpoint", 404),
    "ballots:result": everybody(GET, "/m/{meeting}/result", 404),
    "identity:start": everybody(GET, "/start", 200),
    "identity:enter": everybody(GET, "/enter", 200),
    "identity:code": everybody(POST, "/m/{meeting}/code", 302),
    "identity:wait": everybody(GET, "/m/{meeting}/wait", 302),
    "identity:ways": everybody(GET, "/m/{meeting}/ways", 302),
    "identity:provider-begin": everybody(POST, "/m/{meeting}/with/broker", 302),
    "identity:provider-start": everybody(GET, "/with/broker/start", 404),
    "identity:provider-back": everybody(GET, "/with/broker/back", 404),
    "identity:institution": everybody(GET, "/institution/wrong", 404),
    "identity:leave": everybody(POST, "/m/{meeting}/leave", 303),
    "identity:prefer": everybody(POST, "/preferences", 303),
    "identity:staff-home": Row(GET, "/staff/", 302, 303, 303, 303),
    "identity:staff-login": Row(GET, "/staff/login", 200, 303, 303, 303),
    "identity:staff-pass": everybody(POST, "/staff/pass/wrong", 404),
    "identity:second-factor": Row(GET, "/staff/second-factor", 302, 200, 200, 200),
    "identity:staff-logout": Row(POST, "/staff/logout", 302, 303, 303, 303),
    "console:meetings": Row(GET, "/secretary/", 302, 200, 200, 404),
    "console:meeting": Row(GET, "/secretary/{meeting}/", 302, 404, 200, 404),
    "console:agenda": Row(GET, "/secretary/{meeting}/agenda", 302, 404, 200, 404),
    "console:document": Row(GET, "/secretary/{meeting}/documents/1", 302, 404, 404, 404),
    "console:onsite": Row(GET, "/secretary/{meeting}/onsite", 302, 404, 200, 404),
    "console:exceptions": Row(GET, "/secretary/{meeting}/exceptions.csv", 302, 404, 200, 404),
    "console:detail": Row(GET, "/secretary/{meeting}/detail.csv", 302, 404, 200, 404),
    "console:download": Row(GET, "/secretary/{meeting}/result.csv", 302, 404, 200, 404),
    "notifications:reach": Row(GET, "/secretary/{meeting}/reach", 302, 404, 200, 404),
    "notifications:messages": everybody(GET, "/m/{meeting}/messages", 302),
    "notifications:receipts": everybody(POST, "/gateway/sms/receipts", 404),
    "notifications:secret-receipts": everybody(POST, "/gateway/sms/receipts/guess", 404),
    "notifications:placed-receipts": everybody(POST, "/gateway/sms/receipts/guess/a/b", 404),
}


def addresses() -> list[str]:
    """The full names of all addresses."""

    def walk(resolver: URLResolver, namespace: str) -> list[str]:
        found = []
        for pattern in resolver.url_patterns:
            if isinstance(pattern, URLResolver):
                inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
                found += walk(pattern, inner)
            else:
                found.append(f"{namespace}{pattern.name}")
        return found

    return walk(get_resolver(), "")


def admin_paths() -> list[str]:
    """An address of the admin for each of its patterns, filled in with what may well exist."""

    def walk(resolver: URLResolver, prefix: str) -> list[str]:
        found = []
        for pattern in resolver.url_patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                found += walk(pattern, path)
            elif "(?P<url>" not in path:  # the admin's own "not found"
                found.append(filled(path))
        return found

    paths = {path for path in walk(get_resolver(), "") if path.startswith("/admin/")}
    return sorted(paths - {"/admin/logout/"})  # signing out hurts nobody


def filled(path: str) -> str:
    parts = [
        part for part in path.replace("^", "").replace("$", "").split("/") if "(?P" not in part
    ]
    for place, part in enumerate(parts):
        if part.startswith("<slug"):
            parts[place] = "tally"
        elif part.startswith("<"):
            parts[place] = newest(parts[1], parts[place - 1])
    return "/" + "/".join(parts)


def newest(app: str, model: str) -> str:
    """The newest row of a model that the address names, so that a page is asked about something."""
    with contextlib.suppress(LookupError, ValueError):
        found = apps.get_model(app, model)._default_manager.order_by("-pk").first()
        return str(found.pk) if found else "1"
    return "1"


@pytest.fixture
def visitors(db):
    """A browser for each kind of visitor, and a counted meeting of the secretary's issuer."""
    issuer, other = make_issuer(), make_issuer()
    now = timezone.now()
    meeting = make_meeting(issuer=issuer, state="CLOSED", polls_sealed_at=now)
    ask_for_tally(meeting.pk, by="operator:1", now=now)
    open_tally(meeting.pk, by="operator:2", now=now)
    users = {
        "stranger": make_secretary(other),
        "secretary": make_secretary(issuer),
        "operator": make_operator(),
    }
    browsers = {visitor: Client() for visitor in VISITORS}
    for visitor, user in users.items():
        browsers[visitor].force_login(user)
    return meeting, browsers


def test_every_address_has_a_name_and_stands_in_the_table():
    named = [name for name in addresses() if not name.startswith("admin:")]

    assert not [name for name in named if name.endswith("None")]
    assert sorted(named) == sorted(TABLE)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_each_visitor_gets_what_the_table_says(visitors, name):
    meeting, browsers = visitors
    row = TABLE[name]
    path = row.path.format(meeting=meeting.pk)

    found = {
        visitor: browser.generic(row.method, path).status_code
        for visitor, browser in browsers.items()
    }

    assert found == {visitor: getattr(row, visitor) for visitor in VISITORS}


@pytest.mark.parametrize("visitor", ["anonymous", "stranger", "secretary"])
@pytest.mark.parametrize("method", [GET, POST])
def test_the_admin_is_for_operators_only(visitors, visitor, method):
    _meeting, browsers = visitors

    answers = {path: browsers[visitor].generic(method, path) for path in admin_paths()}

    assert len(answers) > 50
    assert not {path: a.status_code for path, a in answers.items() if not leads_away(a)}


def leads_away(answer: HttpResponse) -> bool:
    if answer.status_code == 302:
        return answer.headers["Location"].startswith(("/staff/login", "/admin/login/"))
    return answer.status_code == 404


def test_an_operator_is_never_shown_a_broken_page(visitors):
    _meeting, browsers = visitors

    answers = {path: browsers["operator"].get(path).status_code for path in admin_paths()}

    assert not {path: status for path, status in answers.items() if status >= 500}
    assert answers["/admin/meetings/meeting/"] == 200


def test_the_other_issuers_result_is_not_even_named_to_a_stranger(visitors):
    meeting, browsers = visitors

    page = browsers["stranger"].get("/secretary/")

    assert meeting.title not in page.text

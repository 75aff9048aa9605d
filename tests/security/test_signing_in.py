"""Signing in tells a guesser nothing, leads nowhere else, and starts with nobody inside."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client, RequestFactory
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from identity.models import User
from tests.factories import make_operator
from tests.house.test_visitors import admin_paths
from voting_portal.common.http import client_address

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
TOKEN = re.compile(r'(?<=csrfmiddlewaretoken" value=")\w+')


@pytest.fixture
def clerk():
    user = make_operator()
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def hashed(monkeypatch):
    """The rounds of hashing that are done, in order: what an attempt costs."""
    done = []
    encode = PBKDF2PasswordHasher.encode

    def counting(self, password, salt, iterations=None):
        done.append(iterations or self.iterations)
        return encode(self, password, salt, iterations)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", counting)
    return done


def test_no_answer_tells_whether_there_is_such_a_user(clerk, hashed):
    """The same words and status, and the same hashing, which is all the time there is."""
    without_password = make_operator()
    without_password.set_unusable_password()
    without_password.save()
    gone = make_operator(is_active=False, password=clerk.password)
    names = [clerk.username, "nobody", without_password.username, gone.username]

    answers, costs = [], []
    for name in names:
        hashed.clear()
        # Not the right password of `gone`, either: it would be told apart by nothing.
        answers.append(Client().post("/staff/login", {"username": name, "password": "wrong"}))
        costs.append(list(hashed))
    right_of_gone = Client().post("/staff/login", {"username": gone.username, "password": PASSWORD})

    pages = {
        TOKEN.sub("", answer.text.replace(name, "NAME").replace(answer["X-Request-Id"], ""))
        for answer, name in zip(answers, names, strict=True)
    }
    assert len(pages) == 1
    assert {answer.status_code for answer in [*answers, right_of_gone]} == {422}
    assert costs == [costs[0]] * 4
    assert len(costs[0]) == 1


def test_an_installation_begins_with_nobody_in_it():
    assert not User.objects.exists()


@given(to=st.text(min_size=1, max_size=40) | st.from_regex(r"[/\\]{0,3}[\w.@:]{1,12}(/\w*)?"))
@example(to="0")
@example(to="admin:index")
@example(to="//evil.example")
@example(to="///evil.example")
@example(to="https:evil.example")
@example(to="/\\evil.example")
@example(to="\t//evil.example")
@example(to="https://testserver@evil.example/")
@example(to="javascript:alert(1)")
@hypothesis_settings(max_examples=40, deadline=None)
def test_a_wish_where_to_go_never_leaves_this_host(to):
    answer = Client().post("/preferences", {"prefer": "large", "next": to})

    assert answer.status_code == 303
    target = urlsplit(answer["Location"].replace("\\", "/"))
    assert (target.scheme, target.netloc) == ("", "")


@pytest.mark.parametrize("to", ["//evil.example", "https:///evil.example", "/\\evil.example"])
def test_signing_in_never_leads_elsewhere(clerk, to):
    form = {"username": clerk.username, "password": PASSWORD, "next": to}

    answer = Client().post("/staff/login", form)

    assert answer["Location"] == "/staff/"


def test_a_password_alone_opens_no_page_of_staff(clerk, settings):
    settings.STAFF_SECOND_FACTOR = True
    browser = Client()

    browser.post("/staff/login", {"username": clerk.username, "password": PASSWORD})
    answers = {path: browser.get(path) for path in admin_paths()}

    assert get_user(browser) == clerk
    assert len(answers) > 50
    # The admin's own sign-in page is one of ours and leads on; nothing else answers at all.
    assert {a.status_code for a in answers.values()} <= {302, 404}
    assert not {a["Location"] for a in answers.values() if a.status_code == 302} - {
        "/staff/second-factor",
        "/staff/login?next=/admin/login/",
        "/staff/login",
    }


def test_an_address_is_read_from_our_own_hop_only(settings):
    settings.PROXY_HOPS = 1
    claimed = "203.0.113.9, 198.51.100.7, 192.0.2.1"

    behind_one = client_address(RequestFactory().get("/", headers={"X-Forwarded-For": claimed}))
    settings.PROXY_HOPS = 0
    in_front = client_address(RequestFactory().get("/", headers={"X-Forwarded-For": claimed}))

    assert (behind_one, in_front) == ("192.0.2.1", "127.0.0.1")


def test_a_guesser_cannot_borrow_addresses(client, settings):
    """Behind our proxy server a made-up header gives no fresh count."""
    settings.PROXY_HOPS = 1

    statuses = [
        client.post(
            *("/enter", {"security_code": "600000", "vote_code": "0123456789"}),
            headers={"X-Forwarded-For": f"203.0.113.{n}, 192.0.2.1"},
        ).status_code
        for n in range(12)
    ]

    assert statuses[0] == 422
    assert statuses[-1] == 429


def test_no_rule_of_the_framework_for_safe_deployment_is_silenced():
    # The redirect to https:// is nginx's (tests/house/test_nginx.py).
    assert settings.SILENCED_SYSTEM_CHECKS == ["security.W008"]

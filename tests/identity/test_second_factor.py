"""The second factor: without the digits there is no page of staff, whatever the password."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from identity import second_factor
from identity.models import User
from identity.staff import issue_pass
from meetings.models import JournalEntry
from tests.factories import make_issuer, make_operator, make_secretary
from tests.house.test_visitors import admin_paths

PAGE = reverse("identity:second-factor")
PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def _asked_for(settings) -> None:
    settings.STAFF_SECOND_FACTOR = True


def digits(device: TOTPDevice, steps: int = 0) -> str:
    """What the authenticator shows, so many half minutes from now."""
    totp = TOTP(device.bin_key, device.step)
    totp.time = time.time() + steps * device.step
    return f"{totp.token():06d}"


def with_device(user: User) -> TOTPDevice:
    return TOTPDevice.objects.create(user=user, confirmed=True)


def by_link(client: Client, user: User) -> None:
    url = issue_pass(user, lifetime=timedelta(hours=1), now=timezone.now())
    client.post(urlsplit(url).path)


def by_password(client: Client, user: User) -> None:
    user.set_password(PASSWORD)
    user.save()
    client.post(reverse("identity:staff-login"), {"username": user.username, "password": PASSWORD})


@pytest.mark.django_db
@pytest.mark.parametrize("sign_in", [by_link, by_password])
def test_signed_in_without_digits_no_page_of_staff_is_shown(client, sign_in):
    sign_in(client, make_operator())

    answers = {path: client.get(path) for path in ["/staff/", "/secretary/", *admin_paths()]}

    led_elsewhere = {p: a for p, a in answers.items() if a.headers.get("Location") != PAGE}
    assert not led_elsewhere


@pytest.mark.django_db
def test_a_secretary_gives_digits_too(client):
    secretary = make_secretary(make_issuer())
    device = with_device(secretary)
    by_link(client, secretary)

    before = client.get("/secretary/")
    client.post(PAGE, {"digits": digits(device)})

    assert before.headers["Location"] == PAGE
    assert client.get("/secretary/").status_code == 200


@pytest.mark.django_db
def test_the_first_link_sets_an_authenticator_up(client):
    user = make_operator()
    by_link(client, user)

    page = client.get(PAGE)
    device = TOTPDevice.objects.get(user=user)
    client.post(PAGE, {"digits": digits(device)})

    assert "<svg" in page.text
    assert second_factor.typed_key(device) in page.text
    assert client.get("/admin/").status_code == 200
    assert second_factor.device_of(user) == device
    assert JournalEntry.objects.get(verb="second_factor.set_up").actor == user.actor


@pytest.mark.django_db
def test_a_stolen_password_sets_no_authenticator_up(client):
    user = make_operator()
    by_password(client, user)

    page = client.get(PAGE)
    refused = client.post(PAGE, {"digits": "123456"})

    assert "<svg" not in re.sub(r"<header.*?</header>", "", page.text, flags=re.DOTALL)
    assert refused.status_code == 422
    assert not TOTPDevice.objects.exists()


@pytest.mark.django_db
def test_wrong_digits_are_counted_and_end_in_a_wait(client):
    user = make_operator()
    device = with_device(user)
    by_link(client, user)
    wrong = f"{(int(digits(device)) + 1) % 1_000_000:06d}"

    answers = [client.post(PAGE, {"digits": wrong}).status_code for _try in range(11)]

    assert set(answers[:10]) == {422}
    assert answers[10] == 429
    assert client.get("/admin/").headers["Location"] == PAGE


@pytest.mark.django_db
def test_the_key_is_not_shown_again_once_the_authenticator_works(client):
    user = make_operator()
    device = with_device(user)
    by_link(client, user)

    page = client.get(PAGE)

    assert second_factor.typed_key(device) not in page.text


@pytest.mark.django_db
def test_the_session_has_a_new_key_after_the_digits(client):
    user = make_operator()
    device = with_device(user)
    by_link(client, user)
    before = client.session.session_key

    client.post(PAGE, {"digits": digits(device)})

    assert client.session.session_key != before


@pytest.mark.django_db(transaction=True)
def test_the_same_digits_work_once_even_in_two_browsers_at_once():
    user = make_operator()
    device = with_device(user)
    first, second = Client(), Client()
    first.force_login(user)
    second.force_login(user)
    shown, together = digits(device), Barrier(2)

    def give(browser: Client) -> int:
        together.wait()
        try:
            return browser.post(PAGE, {"digits": shown}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(give, [first, second]))

    assert sorted(answers) == [303, 422]


@pytest.mark.django_db
def test_a_lost_authenticator_is_taken_away_by_security_only(client):
    lost, keeper = make_operator(), make_operator(roles=["SECURITY"])
    with_device(lost)
    page = reverse("admin:user-no-device", args=[lost.pk])
    signed_in = {}
    for user in (make_operator(roles=["SYSTEM"]), keeper):
        browser = Client()
        device = with_device(user)
        by_link(browser, user)
        browser.post(PAGE, {"digits": digits(device)})
        signed_in[user] = browser.post(page).status_code

    assert list(signed_in.values()) == [404, 302]
    assert second_factor.device_of(lost) is None
    entry = JournalEntry.objects.get(verb="second_factor.taken_away")
    assert (entry.actor, entry.details) == (keeper.actor, {"user": lost.pk})


@pytest.mark.django_db
def test_signing_out_needs_no_digits(client):
    by_link(client, make_operator())

    client.post(reverse("identity:staff-logout"))

    assert not get_user(client).is_authenticated

"""How staff sign in: once by a link, or by a password under limits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from threading import Barrier
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from identity import limits, staff
from identity.models import StaffPass, User
from tests.factories import make_issuer, make_operator, make_secretary

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def path_for(user, *, lifetime=HOUR):
    return urlsplit(staff.issue_pass(user, lifetime=lifetime, now=timezone.now())).path


def test_a_link_signs_in_once(client):
    user = make_operator()
    path = path_for(user)

    response = client.post(path)

    assert response.status_code == 303
    assert response["Location"] == reverse("identity:staff-home")
    assert get_user(client) == user
    assert Client().post(path).status_code == 404


def test_looking_at_a_link_uses_nothing_up(client):
    user = make_operator()
    path = path_for(user)

    for _look in range(3):
        response = client.get(path)

    assert response.status_code == 200
    assert user.username in response.text
    assert response["Cache-Control"] == "no-store, private"
    assert not get_user(client).is_authenticated
    assert client.post(path).status_code == 303


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_expired_unknown_or_disabled_link_is_not_found(client, method):
    gone = make_operator(is_active=False)
    paths = [
        path_for(make_operator(), lifetime=-HOUR),
        path_for(gone),
        reverse("identity:staff-pass", args=["made-up"]),
    ]

    statuses = [getattr(client, method)(path).status_code for path in paths]

    assert statuses == [404, 404, 404]
    assert not get_user(client).is_authenticated


def test_only_the_hash_of_a_link_is_kept():
    path = path_for(make_operator())

    row = StaffPass.objects.get()
    assert path.rpartition("/")[2].encode() not in bytes(row.secret_hash)
    assert len(row.secret_hash) == 32


@pytest.mark.django_db(transaction=True)
def test_a_link_used_eight_times_at_once_signs_in_once():
    secrets = [path_for(make_operator()).rpartition("/")[2] for _link in range(10)]
    together = Barrier(8, timeout=30)

    def use_all(_number):
        connection.ensure_connection()
        signed_in = []
        for secret in secrets:
            together.wait()
            try:
                signed_in.append(staff.use_pass(secret, now=timezone.now()))
            except staff.PassOver:
                continue
        connection.close()
        return signed_in

    with ThreadPoolExecutor(8) as pool:
        users = [user.pk for signed_in in pool.map(use_all, range(8)) for user in signed_in]

    assert len(users) == len(set(users)) == 10


@pytest.fixture
def clerk():
    user = make_operator()
    user.set_password("correct horse battery")
    user.save()
    return user


def sign_in(client, username, password, **fields):
    fields = {"username": username, "password": password, **fields}
    return client.post(reverse("identity:staff-login"), fields)


def test_a_password_signs_in_and_goes_where_it_was_asked(client, clerk):
    response = sign_in(client, clerk.username, "correct horse battery", next="/admin/x/")

    assert response.status_code == 303
    assert response["Location"] == "/admin/x/"
    assert get_user(client) == clerk


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:1"])
def test_nobody_is_led_to_another_site(client, clerk, target):
    response = sign_in(client, clerk.username, "correct horse battery", next=target)

    assert response["Location"] == reverse("identity:staff-home")


def test_a_wrong_password_names_neither_part(client, clerk):
    wrong = sign_in(client, clerk.username, "wrong")
    unknown = sign_in(client, "nobody", "wrong")

    assert wrong.status_code == unknown.status_code == 422
    assert "用户名或密码不正确" in wrong.text
    assert "用户名或密码不正确" in unknown.text


def test_a_name_that_is_guessed_at_from_everywhere_waits_but_its_link_works(client, clerk):
    for number in range(limits.STAFF_FAILURES.count):
        client.post(
            reverse("identity:staff-login"),
            {"username": clerk.username, "password": "wrong"},
            REMOTE_ADDR=f"192.0.2.{number}",
        )

    response = sign_in(client, clerk.username, "correct horse battery")

    assert response.status_code == 429
    assert not get_user(client).is_authenticated
    assert client.post(path_for(clerk)).status_code == 303


def test_without_redis_signing_in_by_password_is_refused_politely(client, clerk, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "unix:///nowhere/redis.sock",
        }
    }

    response = sign_in(client, clerk.username, "correct horse battery")

    assert response.status_code == 503
    assert not get_user(client).is_authenticated


def test_each_role_has_its_home(client):
    client.force_login(make_operator())
    assert client.get(reverse("identity:staff-home"))["Location"] == reverse("admin:index")

    assert Client().get(reverse("identity:staff-home")).status_code == 302


def test_signing_out_is_a_post(client):
    client.force_login(make_operator())

    assert client.get(reverse("identity:staff-logout")).status_code == 405
    client.post(reverse("identity:staff-logout"))

    assert not get_user(client).is_authenticated


def run(*arguments, **options):
    out = StringIO()
    call_command("staff_login", *arguments, stdout=out, **options)
    return out.getvalue().strip()


def test_the_command_makes_the_first_user_and_prints_a_link(client):
    assert not User.objects.exists()

    url = run("wang", create="operator")

    client.post(urlsplit(url).path)
    user = get_user(client)
    assert user.username == "wang"
    assert user.is_staff
    assert user.roles == ["OPERATOR"]
    assert not user.has_usable_password()


def test_the_command_gives_several_roles():
    run("wang", create="system,security")

    assert User.objects.get().roles == ["SECURITY", "SYSTEM"]


def test_a_secretary_is_bound_to_an_issuer():
    issuer = make_issuer()

    run("zhao", create="secretary", issuer=issuer.security_code)

    user = User.objects.get()
    assert list(user.issuers.all()) == [issuer]
    assert not user.is_staff


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "no active user"),
        ({"create": "janitor"}, "known are operator"),
        ({"create": "secretary"}, "needs an issuer"),
        ({"create": "secretary,operator", "issuer": "600000"}, "no other role"),
        ({"create": "secretary", "issuer": "999999"}, "no issuer"),
    ],
)
def test_the_command_says_what_is_missing_and_makes_nothing(options, words):
    with pytest.raises(CommandError, match=words):
        run("nobody", **options)

    assert not User.objects.exists()
    assert not StaffPass.objects.exists()


def test_a_taken_name_is_refused():
    secretary = make_secretary(make_issuer())

    with pytest.raises(CommandError, match="already"):
        run(secretary.username, create="operator")

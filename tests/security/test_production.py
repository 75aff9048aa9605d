"""What a server with production settings sends, as a proxy server of ours would ask for it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from identity.links import personal_url
from meetings import keys
from tests.checkout import LEFT_BEHIND
from tests.factories import make_holder, make_meeting, make_operator
from voting_portal.common.http import HEADERS

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]
HOST, STAFF_HOST, PASSWORD = "vote.example.cn", "staff.example.cn", "correct horse battery"
MOST_BYTES = 1_000_000  # of a form, DATA_UPLOAD_MAX_MEMORY_SIZE


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def cookies(self) -> SimpleCookie:
        return SimpleCookie("\r\n".join(self.headers.get_all("Set-Cookie", [])))


@dataclass
class Production:
    """Gunicorn in a copy of the code, on this test's database."""

    port: int

    def ask(self, method, path, body="", *, host=HOST, **headers) -> Answer:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        given = {"Host": host, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
        if body:
            given["Content-Type"] = "application/x-www-form-urlencoded"
        client.request(method, path, body, {**given, **headers})
        answer = client.getresponse()
        found = Answer(answer.status, answer.headers, answer.read())
        client.close()
        return found


@pytest.fixture(scope="module")
def production(tmp_path_factory, django_db_setup):
    directory = tmp_path_factory.mktemp("production")
    code = directory / "code"
    shutil.copytree(settings.BASE_DIR, code, ignore=LEFT_BEHIND)
    keystore = directory / "keys.json"
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    keystore.write_text(json.dumps({"current": "1", "keys": {"1": key}}))
    keystore.chmod(0o600)
    database = connection.settings_dict
    test_database = database["TEST"]["NAME"] or f"test_{database['NAME']}".replace(
        "test_test_", "test_"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PORTAL_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "KEYSTORE_FILE": str(keystore),
        "MEETING_KEYS_DIR": settings.MEETING_KEYS_DIR,
        "ARCHIVE_DIR": settings.ARCHIVE_DIR,
        "PUBLIC_URL": f"https://{HOST}",
        "STAFF_URL": f"https://{STAFF_HOST}",
        "ALLOWED_HOSTS": f"{HOST},{STAFF_HOST}",
        "DATABASE_URL": make_conninfo(
            dbname=test_database,
            user=database["USER"],
            host=database["HOST"],
            port=database["PORT"],
        ),
        "REDIS_URL": f"{settings.REDIS_URL.partition('?')[0]}?db=5",
        "GATEWAYS": '{"sms": {"dialect": "http_batch", "url": "https://127.0.0.1:1", "secret": "s",'
        ' "rate": 5}}',
    }
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput"]
    subprocess.run(collect, cwd=code, env=environment, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (directory / "web.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--config=deploy/gunicorn.conf.py"),
                *(f"--bind=127.0.0.1:{port}", "--workers=1", "voting_portal.wsgi:application"),
            ],
            cwd=code,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        found = Production(port)
        wait_for(found, log=directory / "web.log")
        with pytest.MonkeyPatch.context() as patch:  # links are signed with the server's keys
            patch.setattr(settings, "KEYSTORE_FILE", str(keystore))
            yield found
    finally:
        server.terminate()
        server.wait(40)


def wait_for(production, *, log) -> None:
    for _try in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", production.port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture
def link():
    """The path of a genuine link."""
    keys._remembered.clear()
    holder = make_holder(make_meeting())
    time.sleep(1.1)  # the server asks for meetings that it lacks once a second
    yield f"/v/{personal_url(holder.pk, 0).rpartition('/')[2]}"
    keys._remembered.clear()


def test_every_answer_carries_every_header(production, link):
    answers = {
        "page": production.ask("GET", "/"),
        "link": production.ask("GET", link),
        "no code can be sent": production.ask("POST", link),
        "bad link": production.ask("GET", f"{link[:-1]}-"),
        "way to the beginning": production.ask("GET", "/m/1/ballot"),
        "no token": production.ask("POST", "/m/1/leave", "x=1"),
        "missing": production.ask("GET", "/nowhere"),
        "other host": production.ask("GET", "/", host="evil.example"),
        "too large": production.ask("POST", "/preferences", "x=" + "y" * MOST_BYTES),
        "staff": production.ask("GET", "/staff/login", host=STAFF_HOST),
        "staff's page here": production.ask("GET", "/admin/"),
        "plain text": production.ask("GET", "/robots.txt"),
        "probe": production.ask("GET", "/live"),
        "file": production.ask("GET", style(production)),
        "receipt of nobody": production.ask("POST", "/gateway/sms/receipts", "x=1"),
    }

    lacking = {
        f"{what} {answer.status}: {name}": answer.headers.get_all(name)
        for what, answer in answers.items()
        for name, is_right in EXPECTED.items()
        if not is_right(answer.headers.get_all(name) or [])
    }
    assert not lacking
    statuses = {answer.status for answer in answers.values()}
    assert statuses == {200, 302, 400, 403, 404, 503}


EXPECTED = {
    "Strict-Transport-Security": ["max-age=31536000; includeSubDomains; preload"].__eq__,
    "X-Content-Type-Options": ["nosniff"].__eq__,
    "X-Frame-Options": ["DENY"].__eq__,
    "Cross-Origin-Opener-Policy": ["same-origin"].__eq__,
    "Referrer-Policy": lambda sent: sent in (["same-origin"], ["no-referrer"]),
    "Content-Security-Policy": lambda sent: (
        len(sent) == 1
        and {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"}
        <= set(sent[0].split("; "))
        and "unsafe" not in sent[0]
    ),
    **{name: [value].__eq__ for name, value in HEADERS.items()},
}


def style(production) -> str:
    page = production.ask("GET", "/").body.decode()
    return page.partition('rel="stylesheet" href="')[2].partition('"')[0]


def test_text_says_its_encoding(production, link):
    paths = ["/", link, "/nowhere", "/robots.txt", "/live", "/m/1/ballot", style(production)]

    types = {path: production.ask("GET", path).headers["Content-Type"] for path in paths}

    assert all(found.startswith("text/") for found in types.values())
    assert not {p: t for p, t in types.items() if "charset=utf-8" not in t.lower().replace('"', "")}


def test_every_cookie_is_bound_to_this_host_and_out_of_reach_of_scripts(production, link):
    operator = make_operator()
    operator.set_password(PASSWORD)
    operator.save()
    sign_in = production.ask("GET", "/staff/login", host=STAFF_HOST)
    token = sign_in.body.decode().partition('csrfmiddlewaretoken" value="')[2].partition('"')[0]
    form = {"username": operator.username, "password": PASSWORD, "csrfmiddlewaretoken": token}
    csrf = sign_in.cookies["__Host-csrf"].value

    begun = production.ask("POST", link)
    liked = production.ask("POST", "/preferences", "prefer=large")
    language = production.ask("POST", "/preferences", "prefer=en")
    signed_in = production.ask(
        *("POST", "/staff/login", urlencode(form)),
        host=STAFF_HOST,
        Cookie=f"__Host-csrf={csrf}",
        Origin=f"https://{STAFF_HOST}",
    )

    cookies = {}
    for answer in (sign_in, begun, liked, language, signed_in):
        cookies.update(answer.cookies)
    kinds = {"csrf", "staff", "type", "language", "voter"}
    assert {name.removeprefix("__Host-").partition("-")[0] for name in cookies} == kinds
    assert all(name.startswith("__Host-") for name in cookies)
    for cookie in cookies.values():
        assert cookie["secure"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert (cookie["path"], cookie["domain"]) == ("/", "")


def test_looking_at_a_link_sets_no_cookie(production, link):
    assert not production.ask("GET", link).cookies


def test_a_form_above_the_limit_is_refused_and_one_of_its_size_is_not(production):
    fits = production.ask("POST", "/preferences", "x=" + "y" * (MOST_BYTES - 2))
    above = production.ask("POST", "/preferences", "x=" + "y" * (MOST_BYTES - 1))

    assert (fits.status, above.status) == (303, 400)


def test_an_answer_says_nothing_of_how_it_was_made(production):
    answer = production.ask("GET", "/nowhere")

    assert answer.headers["Server"] == "gunicorn"
    assert "X-Powered-By" not in answer.headers
    assert not {b"Traceback", b"Django", b"DEBUG"} & set(answer.body.split())


def test_files_are_named_by_their_content_and_kept_for_ever(production):
    page = production.ask("GET", "/").body.decode()
    named = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page))

    kept = {path: production.ask("GET", path).headers["Cache-Control"] for path in named}

    assert style(production) in named
    assert all(re.search(r"\.[0-9a-f]{12}\.\w+$", path) for path in named)
    assert set(kept.values()) == {"max-age=315360000, public, immutable"}
    plain = re.sub(r"\.[0-9a-f]{12}\.", ".", style(production))
    assert "immutable" not in production.ask("GET", plain).headers["Cache-Control"]

"""With a host of their own, staff are not found on that of the holders, nor holders on theirs."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db
PUBLIC, STAFF = "vote.example", "staff.example"


@pytest.fixture(autouse=True)
def _apart(settings) -> None:
    settings.PUBLIC_URL, settings.STAFF_URL = f"https://{PUBLIC}", f"https://{STAFF}"
    settings.ALLOWED_HOSTS = [PUBLIC, STAFF]


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/staff/login", "/secretary/"])
def test_pages_of_staff_are_on_their_host_only(client, path):
    assert client.get(path, headers={"Host": PUBLIC}).status_code == 404
    assert client.get(path, headers={"Host": STAFF}).status_code in {200, 302}


@pytest.mark.parametrize("path", ["/", "/help", "/privacy", "/start"])
def test_pages_of_holders_are_on_theirs(client, path):
    assert client.get(path, headers={"Host": PUBLIC}).status_code == 200
    assert client.get(path, headers={"Host": STAFF}).status_code == 404


@pytest.mark.parametrize("path", ["/live", "/ready", "/robots.txt"])
def test_probes_answer_on_both(client, path):
    answers = {host: client.get(path, headers={"Host": host}) for host in (PUBLIC, STAFF)}

    assert {answer.status_code for answer in answers.values()} == {200}


def test_one_host_serves_both_where_none_is_named_for_staff(client, settings):
    settings.STAFF_URL = settings.PUBLIC_URL

    assert client.get("/", headers={"Host": PUBLIC}).status_code == 200
    assert client.get("/staff/login", headers={"Host": PUBLIC}).status_code == 200

"""A guessed link costs next to nothing, and says nothing to whoever guesses or reads logs."""

from __future__ import annotations

import time
from email.message import Message

import pytest
from django.core.cache import InvalidCacheBackendError, cache
from django.test import Client

from identity import limits
from identity.links import personal_url, read_link
from meetings.models import Document
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db
CPU_MICROSECONDS = 50


@pytest.fixture
def path():
    limits.forget()
    return f"/v/{personal_url(make_holder(make_meeting()).pk, 0).rpartition('/')[2]}"


@pytest.fixture
def no_cache(settings):
    """Whoever asks the cache for anything fails."""
    settings.CACHES = {"default": {"BACKEND": "nowhere.that.exists"}}


def guesses(path, number):
    """Links with the right key id and meeting, which fail at the MAC: the dearest to refuse."""
    return [f"{path[:-5]}{number:05d}" for number in range(number)]


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_page_of_a_bad_link_asks_neither_database_nor_cache(
    path, no_cache, django_assert_num_queries, method
):
    client = Client()
    client.get(path)  # the table of meetings is warm

    with django_assert_num_queries(0):
        statuses = {getattr(client, method)(guess).status_code for guess in guesses(path, 80)}

    assert statuses == {404, 429}


def test_the_watch_over_the_cache_sees_a_call(no_cache):
    with pytest.raises(InvalidCacheBackendError):
        cache.get("anything")


def test_a_guess_is_refused_in_fifty_microseconds(path):
    codes = [guess[3:] for guess in guesses(path, 1_000)]
    read_link(codes[0])

    best = min(seconds_of(codes) for _round in range(5))

    assert best / len(codes) * 1e6 < CPU_MICROSECONDS


def seconds_of(codes):
    started = time.process_time()
    assert not any(map(read_link, codes))
    return time.process_time() - started


@pytest.mark.parametrize(
    "title", ['a"; filename="x.exe', "x\r\nSet-Cookie: a=b", "../../etc/passwd", "年度报告<b>"]
)
def test_no_title_breaks_out_of_the_name_of_a_file(client, title):
    meeting = make_meeting()
    paper = Document.objects.create(
        meeting=meeting, title=title, content=b"%PDF-1.7 x", size=10, sha256="0" * 64
    )

    answer = client.get(f"/m/{meeting.pk}/documents/{paper.pk}")

    read = Message()
    read["Content-Disposition"] = answer["Content-Disposition"]
    assert [name for name, _value in read.get_params(header="Content-Disposition")] == [
        "attachment",
        "filename",
    ]
    assert not set(read.get_filename()) & set('\r\n<>/"')
    assert "Set-Cookie" not in answer.headers

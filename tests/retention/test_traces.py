"""What a meeting leaves outside the database goes with it: counts in Redis, files on their way."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from ballots.models import Ballot, VoteImport
from identity.links import personal_url
from meetings import keys, lifecycle, live
from meetings.models import Meeting, MeetingKey
from retention import asking, purging
from tests.ballots.test_importing import file_of
from tests.ballots.test_pages import send
from tests.factories import make_holder, make_meeting, make_operator
from tests.handset import handset
from tests.retention.conftest import ID, NAME, PHONE
from tests.security.test_sweep import kept_in_redis

__all__ = ["handset"]
pytestmark = pytest.mark.django_db
DAY = 86_400
# What Redis keeps without an end: when the timer rang last, and Celery's own lists of its queues.
ENDLESS = (b":1:timer", b"_kombu.binding.")


@pytest.fixture
def meeting():
    return make_meeting()


@pytest.fixture
def holder(meeting):
    return make_holder(meeting, name=NAME, phone=PHONE, id_number=ID)


@pytest.fixture
def voted(client, meeting, holder, handset):
    """A holder's whole way, with a wrong code on it; what was secret, as bytes."""
    link = personal_url(holder.pk, 0).rpartition("/")[2]
    page = client.post(f"/v/{link}")["Location"]
    code = handset.code(PHONE)
    client.post(page, {"code": "000000" if code != "000000" else "111111"})
    client.post(page, {"code": code})
    client.get(f"/v/{link}")
    send(client, "review", meeting)
    send(client, "cast", meeting)
    assert Ballot.objects.of_meeting(meeting.pk).count() == 1
    return [secret.encode() for secret in (NAME, PHONE, ID, link, code, str(holder.pk))]


def purge(meeting):
    """Ended, asked for by one, approved by another, carried out."""
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    now = timezone.now()
    Meeting.objects.filter(pk=meeting.pk).update(polls_sealed_at=now)
    asking.ask_early(meeting.pk, by="operator:1", now=now)
    asking.approve(meeting.pk, by="operator:2", now=now)
    assert purging.purge_all(clock=lambda: now + timedelta(minutes=1)) == 1


def test_redis_keeps_nothing_personal_and_nothing_longer_than_a_day(meeting, voted):
    client = redis.Redis.from_url(settings.REDIS_URL)
    before = set(client.scan_iter())

    purge(meeting)

    left = [key for key in client.scan_iter() if not key.startswith(ENDLESS)]
    lasting = {key: client.ttl(key) for key in left}
    client.close()
    assert len(before) >= 5  # counts, a place in the queue, parts of pages
    assert {key: ttl for key, ttl in lasting.items() if not 0 <= ttl <= DAY} == {}
    kept = kept_in_redis(settings.REDIS_URL)
    assert [secret for secret in voted if secret in kept] == []


def test_a_key_without_an_end_would_be_seen(meeting, voted):
    cache.set("of-a-meeting", 1, timeout=None)
    client = redis.Redis.from_url(settings.REDIS_URL)

    endless = [key for key in client.scan_iter() if client.ttl(key) < 0]
    client.close()

    assert [key for key in endless if not key.startswith(ENDLESS)] == [b":1:of-a-meeting"]


def test_a_process_that_remembered_the_keys_opens_nothing_a_minute_later(
    meeting, holder, voted, monkeypatch
):
    keys.meeting_key(meeting.pk, MeetingKey.Purpose.RECORDS)
    assert live.live_meeting(meeting.pk)
    remembered = dict(keys._remembered)
    purge(meeting)
    keys._remembered.update(remembered)  # as in a process that did not carry out the purge
    past = keys.REMEMBERED_SECONDS + 1
    real = keys.time.monotonic
    monkeypatch.setattr(keys.time, "monotonic", lambda: real() + past)

    with pytest.raises(keys.KeyDestroyed):
        keys.meeting_key(meeting.pk, MeetingKey.Purpose.RECORDS)

    assert live.live_meeting(meeting.pk) is None


def test_neither_meeting_keys_nor_archive_hold_files_on_their_way(meeting, voted):
    folders = [Path(settings.MEETING_KEYS_DIR), Path(settings.ARCHIVE_DIR)]
    before = {path for folder in folders for path in folder.rglob("*")}  # of tests that kill

    purge(meeting)

    after = {path for folder in folders for path in folder.rglob("*")}
    files = [path for path in after - before if path.is_file()]
    assert files
    assert [path for path in files if path.suffix == ".new" or ".new" in path.parent.name] == []
    secrets = voted[:-1]  # the archive tells voters by pseudonyms, and the journal by number
    assert [path for path in files if any(s in path.read_bytes() for s in secrets)] == []


def test_a_file_of_votes_is_never_a_temporary_file(client, meeting, holder, monkeypatch, tmp_path):
    """A server that is killed while it reads one would leave a temporary file behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    client.force_login(make_operator())
    votes = file_of("A000000001,1.00,同意,,,,,,09:40:12.000,1").getvalue()
    large = votes + b"\n" * (3 << 20)  # above what Django would keep in memory by itself
    upload = reverse("admin:vote-import", args=[meeting.pk])

    answer = client.post(
        upload, {"channel": "ONSITE", "file": SimpleUploadedFile("votes.csv", large)}
    )

    assert answer.status_code == 302
    assert VoteImport.objects.get().file_size == len(large)


def test_whatever_the_proxy_lets_through_fits_into_memory():
    limits = (settings.BASE_DIR / "deploy" / "nginx.conf").read_text()

    assert "client_max_body_size 30m;" in limits
    assert settings.FILE_UPLOAD_MAX_MEMORY_SIZE == 30 << 20

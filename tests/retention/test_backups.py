"""Last week's backup opens nothing of a meeting whose personal data was deleted since."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from django.conf import settings

from drills.clusters import Cluster
from tests.retention.conftest import ID, NAME, PHONE

pytestmark = pytest.mark.servers

LIVED = """
from meetings.register.records import open_person
from tests.retention.conftest import NAME, live_through
lived = live_through()
assert open_person(lived.holder).name == NAME
print("SAID", lived.meeting.pk)
"""
PURGED = """
from datetime import timedelta
from django.test import Client
from django.utils import timezone
from retention import purging
after = timezone.now() + timedelta(days=31)
done = purging.purge_all(clock=lambda: after)
page = Client().get("/m/{meeting}/log")
print("SAID", done, page.status_code, "最终检查点" in page.text)
"""
TRIED = """
import json
from datetime import timedelta
from django.utils import timezone
from identity.links import personal_url
from meetings import keys
from meetings.models import Holder, MeetingKey
from meetings.register.records import open_person
from retention import contents, purging
opened, holders = [], list(Holder.objects.of_meeting({meeting}))
def attempt(what, act):
    try:
        act()
    except keys.KeyDestroyed:
        return
    opened.append(what)
for row in MeetingKey.objects.filter(meeting={meeting}):
    attempt(row.purpose, lambda: keys.unwrap(row))
for holder in holders:
    attempt("record", lambda: open_person(holder))
    attempt("link", lambda: personal_url(holder.pk, 0))
after = timezone.now() + timedelta(days=31)
again = purging.purge_all(clock=lambda: after)
left = sum(contents.count_all({meeting}).values())
print("SAID", json.dumps(dict(holders=len(holders), opened=opened, again=again, left=left)))
"""


class Installation:
    """Processes of ours on one cluster, with one folder of keys whichever cluster it is."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, cluster, *arguments):
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": cluster.url,
            "REDIS_URL": f"{settings.REDIS_URL.partition('?')[0]}?db=9",
            "KEYSTORE_FILE": str(self.folder / "key-encryption-keys.json"),
            "MEETING_KEYS_DIR": str(self.folder / "meeting-keys"),
            "ARCHIVE_DIR": str(self.folder / "archive"),
        }
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.partition("SAID ")[2].strip()

    def tell(self, cluster, program, **values):
        for name, value in values.items():
            program = program.replace(f"{{{name}}}", value)
        return self.run(cluster, "shell", "--verbosity=0", "--command", program)


@pytest.fixture
def clusters(tmp_path):
    made = [Cluster(tmp_path / name) for name in ("live", "copy")]
    try:
        yield made
    finally:
        for cluster in made:
            cluster.stop()


def clear_in(folder):
    """Files that hold something personal in the clear."""
    secrets = [secret.encode() for secret in (NAME, PHONE, ID)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 500
    return [path for path in files if any(secret in path.read_bytes() for secret in secrets)]


def test_a_backup_from_before_the_purge_opens_nothing(clusters, tmp_path):
    live, copy = clusters
    ours = Installation(tmp_path)
    live.make()
    ours.run(live, "migrate", "--verbosity=0")
    meeting = ours.tell(live, LIVED)
    live.back_up(tmp_path / "backup")

    purged = ours.tell(live, PURGED, meeting=meeting)
    shutil.copytree(tmp_path / "backup", copy.data)
    copy.start()
    found = json.loads(ours.tell(copy, TRIED, meeting=meeting))

    assert purged == "1 200 True"  # and the public results are still there
    assert found["holders"] == 4  # the backup has them all
    assert found["opened"] == []
    assert (found["again"], found["left"]) == (1, 0)  # the copy goes on to delete them
    assert clear_in(tmp_path / "backup") == []
    assert clear_in(live.data) == []

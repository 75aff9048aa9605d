"""The real PgBouncer, in transaction mode as deployed, between many threads and PostgreSQL."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from ballots.models import Ballot
from meetings import lifecycle
from meetings.models import Meeting
from tests.deploy.crowd import Crowd, filled_in
from tests.deploy.serving import database_url, gunicorn
from tests.factories import make_holders, make_meeting
from tests.sessions import wait_until_alone

DEPLOY = Path(settings.BASE_DIR) / "deploy" / "pgbouncer"
PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
POOL, VOTERS = 3, 120

pytestmark = [
    pytest.mark.servers,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(PGBOUNCER is None, reason="LEFT OUT: no pgbouncer on this machine"),
]


@pytest.fixture
def pool(transactional_db) -> Iterator[str]:
    """A DATABASE_URL that leads through PgBouncer, which has POOL connections to lend."""
    place = Path(tempfile.mkdtemp(prefix="pool-"))
    database = connection.settings_dict
    start = (DEPLOY / "start.sh").read_text()
    asked = re.search(r"connect_query='(.*)'$", start, re.MULTILINE)
    assert asked
    (place / "databases.ini").write_text(
        f"[databases]\n{database['NAME']} = host={database['HOST']} port={database['PORT'] or 5432}"
        f" dbname={database['NAME']} user={database['USER']} connect_query='{asked[1]}'\n"
    )
    text = (DEPLOY / "pgbouncer.ini").read_text()
    swaps = {
        "%include /tmp/databases.ini": f"%include {place}/databases.ini",
        "listen_addr = 0.0.0.0": "",
        "unix_socket_dir =": f"unix_socket_dir = {place}",
        "auth_type = scram-sha-256": "auth_type = any",
        "auth_file = /tmp/users.txt": "",
        "default_pool_size = 40": f"default_pool_size = {POOL}",
    }
    for old, new in swaps.items():
        assert old in text, f"pgbouncer.ini has no {old!r} any more; adjust this test"
        text = text.replace(old, new)
    (place / "pgbouncer.ini").write_text(text)
    command = [str(PGBOUNCER), str(place / "pgbouncer.ini")]
    if os.geteuid() == 0:  # it refuses to run as root, as PostgreSQL does
        command = ["unshare", "--user", "--map-user=1000", *command]
    with (place / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = database_url(host=str(place), port="6432")
        wait_for(url, place / "log")
        yield url
    finally:
        running.terminate()
        running.wait(60)
        wait_until_alone()
        shutil.rmtree(place)


def wait_for(url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with psycopg.connect(url):
                return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError(f"pgbouncer did not come up: {log.read_text()}")


def lent() -> int:
    """How many connections PostgreSQL has to the pool's clients."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        ((number,),) = cursor.fetchall()
    return int(number)


def test_many_vote_through_few_connections_and_the_close_waits_for_them(pool, tmp_path):
    meeting = make_meeting()
    make_holders(meeting, VOTERS)
    forms = filled_in(meeting, VOTERS)
    most = 0
    with gunicorn(
        tmp_path, workers=2, threads=8, DATABASE_URL=pool, DATABASE_POOLED="on"
    ) as served:
        crowd = Crowd(served.port, meeting.pk, forms, is_tls=False)
        people = [threading.Thread(target=crowd.vote) for _each in range(12)]
        for person in people:
            person.start()
        while sum(1 for _cast in list(crowd.casts)) < VOTERS * 2 // 3:
            most = max(most, lent())
            time.sleep(0.05)
        lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
        for person in people:
            person.join()

    sealed_at = Meeting.objects.get(pk=meeting.pk).polls_sealed_at
    taken = {holder for holder, status in crowd.casts if status == 303}
    books = dict(Ballot.objects.values_list("holder_id", "cast_at"))
    assert crowd.broken == []
    assert {status for _holder, status in crowd.casts} <= {303, 409}
    assert len(taken) >= VOTERS * 2 // 3
    assert set(books) == taken
    assert max(books.values()) <= sealed_at
    assert 1 <= most <= POOL
    assert "Traceback" not in served.log.read_text()


def test_a_lent_connection_waits_for_locks_as_briefly_as_one_of_our_own(pool):
    with psycopg.connect(pool, autocommit=True) as lent_one:
        (patience,) = lent_one.execute("SHOW lock_timeout").fetchone()
        (idle,) = lent_one.execute("SHOW idle_in_transaction_session_timeout").fetchone()

    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == (patience,)
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == (idle,)


def test_what_needs_a_connection_of_its_own_is_not_sent_through_the_pool():
    text = (Path(settings.BASE_DIR) / "docker-compose.yml").read_text()
    services = re.split(r"\n  (?=[\w-]+:\n)", text.partition("\nservices:\n")[2])
    pooled = {s.lstrip().partition(":")[0] for s in services if "@pgbouncer" in s}

    assert pooled == {"web"}


def test_the_portal_prepares_no_statement():
    assert connection.settings_dict["OPTIONS"]["prepare_threshold"] is None

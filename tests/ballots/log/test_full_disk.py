"""A disk that fills up under the sequencer: it tries again, and ends when it cannot go on."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection
from psycopg import errors

from ballots.log import sequencer
from ballots.management.commands import run_sequencer
from ballots.models import LogLeaf, QueuedEntry
from tests.ballots.log.test_sequencing import cast, kinds, log_everything
from tests.factories import make_meeting

FULL = """
CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER disk_is_full BEFORE INSERT ON ballots_logleaf
    FOR EACH ROW EXECUTE FUNCTION disk_is_full();
"""
ROOM = "DROP TRIGGER IF EXISTS disk_is_full ON ballots_logleaf; DROP FUNCTION disk_is_full"


@pytest.fixture
def command(monkeypatch):
    monkeypatch.setattr(run_sequencer, "RETRY_SECONDS", 0.05)
    running = run_sequencer.Command()
    running.over = threading.Event()
    running.looked_at = time.monotonic()
    return running


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_it_goes_on_once_there_is_room_again(command):
    meeting = make_meeting()
    log_everything()
    cast(meeting, 3)
    run(FULL)
    try:
        with pytest.raises(errors.DiskFull):  # the driver's own error: not one of Django's
            sequencer.sequence()
        sequencing = threading.Thread(target=command._repeat, args=(command._sequence, 0.05))
        sequencing.start()
        time.sleep(0.3)
        is_alive = sequencing.is_alive()
    finally:
        run(ROOM)

    deadline = time.monotonic() + 60
    while QueuedEntry.objects.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    command.over.set()
    sequencing.join()

    assert is_alive
    assert kinds(meeting) == ["START", "BALLOT", "BALLOT", "BALLOT"]
    assert LogLeaf.objects.of_meeting(meeting.pk).count() == 4


@pytest.mark.django_db
def test_what_nobody_foresaw_ends_the_whole_process_so_that_it_is_started_again(command):
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command._repeat(fail, 0.05)

    assert command.over.is_set()  # the other thread ends by it, too

"""A database that went back does not sign another log: it stands, loudly, until people decide."""

from __future__ import annotations

import logging

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from ballots.log import heads, sequencer
from ballots.models import Checkpoint, LogLeaf, MeetingLog, QueuedEntry
from meetings import lifecycle
from meetings.models import JournalEntry
from tests.ballots.log.test_sequencing import cast, log_everything
from tests.factories import make_meeting
from voting_portal.common import ids

pytestmark = pytest.mark.django_db
NOW = timezone.now


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(settings, tmp_path):
    settings.ARCHIVE_DIR = str(tmp_path)
    heads.forget()
    yield
    heads.forget()
    sequencer._standing.clear()


@pytest.fixture
def sequence(django_capture_on_commit_callbacks):
    def act():
        with django_capture_on_commit_callbacks(execute=True):
            log_everything()

    return act


def state_of(meeting):
    return MeetingLog.objects.values("size", "frontier", "ballots", "closed_size").get(
        pk=meeting.pk
    )


def go_back(meeting, state):
    """As if the database had been restored to when the log was like this."""
    with connection.cursor() as cursor:
        for table in ("ballots_logleaf", "ballots_checkpoint"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
    first = ids.leaf_id(meeting.pk, state["size"])
    LogLeaf.objects.of_meeting(meeting.pk).filter(pk__gte=first).delete()
    Checkpoint.objects.of_meeting(meeting.pk).filter(pk__gte=first).delete()
    MeetingLog.objects.filter(pk=meeting.pk).update(**state)
    heads.forget()  # the sequencer was started anew


@pytest.fixture
def lost(sequence):
    """A meeting that lost its last two entries, and an entry more that waits."""
    meeting = make_meeting()
    cast(meeting, 2)
    sequence()
    state = state_of(meeting)
    cast(meeting, 2)
    sequence()
    go_back(meeting, state)
    cast(meeting, 1)
    return meeting


def test_a_log_goes_on_from_the_head_that_was_kept(sequence):
    meeting = make_meeting()
    cast(meeting, 2)
    sequence()
    heads.forget()
    cast(meeting, 1)

    sequence()

    assert state_of(meeting)["size"] == 4
    assert not heads.standing()


def test_a_log_that_lost_entries_stands_and_says_so(lost, sequence, caplog):
    with caplog.at_level(logging.ERROR):
        sequence()

    assert state_of(lost)["size"] == 3
    assert QueuedEntry.objects.filter(meeting_id=lost.pk).count() == 1
    assert [started.pk for started in heads.standing()] == [lost.pk]
    assert f"ballot log of meeting {lost.pk} stands" in caplog.text


def test_a_running_sequencer_notices_it_too(sequence):
    meeting = make_meeting()
    cast(meeting, 2)
    sequence()
    state = state_of(meeting)
    cast(meeting, 2)
    sequence()
    known = dict(heads._known)
    go_back(meeting, state)
    heads._known.update(known)
    cast(meeting, 3)

    sequence()

    assert state_of(meeting) == state


def test_another_tree_of_the_same_size_stands_too(lost, sequence):
    heads_folder = lost  # the log grows elsewhere, without its heads, past the size that was kept
    settings_folder = settings.ARCHIVE_DIR
    settings.ARCHIVE_DIR = f"{settings_folder}/elsewhere"
    cast(heads_folder, 2)
    sequence()
    settings.ARCHIVE_DIR = settings_folder
    heads.forget()
    size = state_of(lost)["size"]
    cast(lost, 1)

    sequence()

    assert size == 6
    assert state_of(lost)["size"] == size


def test_a_log_for_which_nothing_waits_is_looked_at_when_the_sequencer_starts(lost, caplog):
    QueuedEntry.objects.all().delete()

    call_command("run_sequencer", "--once")

    assert f"ballot log of meeting {lost.pk} stands" in caplog.text


def test_other_logs_go_on(lost, sequence):
    other = make_meeting()
    cast(other, 2)

    sequence()

    assert state_of(other)["size"] == 3
    assert state_of(lost)["size"] == 3


def test_two_people_let_it_go_on_and_the_lost_head_is_kept(lost, sequence):
    sequence()
    with pytest.raises(heads.SamePerson):
        heads.resume(lost.pk, by="operator:2", now=NOW())
    heads.ask_to_resume(lost.pk, reason="归档日志损坏", by="operator:1", now=NOW())
    with pytest.raises(heads.SamePerson):
        heads.resume(lost.pk, by="operator:1", now=NOW())

    kept = heads.resume(lost.pk, by="operator:2", now=NOW())
    sequencer.warn_of_standing()
    sequence()

    assert '"size": 5' in kept.read_text()
    assert state_of(lost)["size"] == 4
    verbs = JournalEntry.objects.filter(meeting=lost, verb__startswith="log.").order_by("id")
    assert list(verbs.values_list("verb", flat=True)) == [heads.ASKED, heads.RESUMED]


def test_a_log_whose_lost_head_was_final_never_goes_on(sequence):
    meeting = make_meeting()
    cast(meeting, 2)
    sequence()
    state = state_of(meeting)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    sequence()
    go_back(meeting, state)

    with pytest.raises(heads.WasClosed):
        heads.ask_to_resume(meeting.pk, reason="磁盘损坏", by="operator:1", now=NOW())

    assert not JournalEntry.objects.filter(meeting=meeting, verb=heads.ASKED).exists()


def test_nothing_is_accepted_where_nothing_is_lost(sequence):
    meeting = make_meeting()
    cast(meeting, 2)
    sequence()

    with pytest.raises(heads.NothingLost):
        heads.ask_to_resume(meeting.pk, reason="误报", by="operator:1", now=NOW())


def test_a_head_that_a_power_cut_left_empty_stops_no_log(sequence, tmp_path, caplog):
    meeting = make_meeting()
    cast(meeting, 2)
    sequence()
    (head,) = (tmp_path / "heads").iterdir()
    head.write_text("")
    heads.forget()
    cast(meeting, 1)

    sequence()

    assert state_of(meeting)["size"] == 4
    assert '"size": 4' in head.read_text()
    assert "cannot be read" in caplog.text


def test_a_folder_that_cannot_be_written_stops_no_log(sequence, settings, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    settings.ARCHIVE_DIR = str(tmp_path / "file")
    meeting = make_meeting()
    cast(meeting, 2)

    sequence()

    assert state_of(meeting)["size"] == 3
    assert "cannot be kept" in caplog.text

"""What the database itself refuses."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, ProgrammingError

from meetings import journal
from meetings.models import JournalEntry
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db


def test_a_meeting_comes_with_room_for_its_holders():
    meeting = make_meeting()

    holder = make_holder(meeting, shares=2_500)

    assert holder.meeting_id == meeting.pk
    assert holder.index == 1
    assert holder.shares_of(0) == 2_500


def test_a_rehearsal_is_never_published():
    meeting = make_meeting()

    with pytest.raises(IntegrityError, match="meeting_rehearsal_never_published"):
        type(meeting).objects.filter(pk=meeting.pk).update(state="PUBLISHED")


def test_the_journal_is_append_only():
    meeting = make_meeting()
    entry = journal.record(meeting, "test.happened", by="system:test", at=meeting.polls_open_at)

    with pytest.raises(ProgrammingError, match="append-only"):
        JournalEntry.objects.filter(pk=entry.pk).update(actor="somebody else")

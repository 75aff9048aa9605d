"""The journal: entries are linked, so that whoever changes one is found out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from meetings import journal
from meetings.models import JournalEntry
from tests.factories import make_meeting

NOW = timezone.now()


def write(meeting, number: int) -> JournalEntry:
    return journal.record(meeting, "test.entry", by="operator:1", at=NOW, number=number)


def tamper(statement: str, *values: object) -> None:
    """What only the owner of the database can do."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # triggers are off
        cursor.execute(statement, values)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


@pytest.mark.django_db
def test_entries_are_never_changed():
    write(None, 1)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        JournalEntry.objects.update(actor="operator:2")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        JournalEntry.objects.all().delete()

    assert JournalEntry.objects.get().actor == "operator:1"


@pytest.mark.django_db
def test_each_meeting_has_a_chain_of_its_own():
    first, second = make_meeting(), make_meeting()
    for number in range(3):
        write(first, number)
        write(second, number)
        write(None, number)

    chains = journal.chains()

    assert [(chain.meeting_id, chain.broken_at) for chain in chains] == [
        (None, None),
        (first.pk, None),
        (second.pk, None),
    ]
    assert len({chain.last_link for chain in chains}) == 3


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE meetings_journalentry SET actor = 'operator:9' WHERE id = %s", 0),
        ("UPDATE meetings_journalentry SET at = at + interval '1 s' WHERE id = %s", 0),
        ("""UPDATE meetings_journalentry SET details = '{"number": 9}' WHERE id = %s""", 0),
        ("UPDATE meetings_journalentry SET meeting_id = NULL WHERE id = %s", 1),
        ("DELETE FROM meetings_journalentry WHERE id = %s", 1),
    ],
    ids=["who", "when", "what", "which meeting", "gone"],
)
def test_a_changed_entry_is_found(statement, broken):
    meeting = make_meeting()
    entries = [write(meeting, number) for number in range(3)]

    tamper(statement, entries[1].pk)

    (chain,) = [chain for chain in journal.chains() if chain.meeting_id == meeting.pk]
    assert chain.broken_at == entries[1 + broken].pk


@pytest.mark.django_db(transaction=True)
def test_entries_written_at_once_are_one_chain():
    meeting, together = make_meeting(), Barrier(4)

    def write_some(_worker: int) -> None:
        together.wait()
        try:
            for number in range(20):
                write(meeting, number)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_some, range(4)))

    (chain,) = journal.chains()
    assert (chain.entries, chain.broken_at) == (81, None)


@pytest.mark.django_db
def test_the_command_says_which_chain_is_broken():
    meeting = make_meeting()
    entry = write(meeting, 1)
    whole = StringIO()
    call_command("check_journal", stdout=whole)
    tamper("UPDATE meetings_journalentry SET verb = 'other' WHERE id = %s", entry.pk)

    broken = StringIO()
    with pytest.raises(CommandError, match="1 of 1 chains"):
        call_command("check_journal", stdout=broken)

    assert f"meeting {meeting.pk}: 2 entries, whole" in whole.getvalue()
    assert f"BROKEN at entry {entry.pk}" in broken.getvalue()

"""Who makes is never who checks: the database itself refuses, whatever code or person writes.

Each row of TABLE is a statement as a person with the database could write it, in which somebody
takes the second step. It is refused for whoever took the first one, and passes for anybody else, so
that nothing but the constraint can have refused it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from ballots.log import handing_over
from ballots.opening import ask_for_tally, open_tally
from identity import reissuing
from identity.grants import ask_for_roles
from meetings.models import MeetingKey
from notifications.models import Campaign
from retention.models import Hold, Purge
from tests.factories import make_meeting, make_operator, make_register
from voting_portal.common.roles import Role

pytestmark = pytest.mark.django_db
MAKER, ANOTHER = "operator:901", "operator:902"
NOW = timezone.now()


@dataclass(frozen=True)
class Step:
    """A second step: its table, the constraint, and the statement with %s for who takes it."""

    table: str
    constraint: str
    statement: str

    def __str__(self) -> str:
        return self.constraint


TABLE = {
    "a register is approved": Step(
        "meetings_register",
        "register_second_person",
        "UPDATE meetings_register SET approved_by = %s",
    ),
    "the links are opened": Step(
        "meetings_meeting",
        "meeting_invited_by_second_person",
        "UPDATE meetings_meeting SET invited_by = %s",
    ),
    "messages are sent": Step(
        "notifications_campaign",
        "campaign_second_person",
        "UPDATE notifications_campaign SET state = 'RUNNING', approved_by = %s",
    ),
    "the opening of a tally is begun": Step(
        "ballots_tallyrequest",
        "tally_opening_by_another",
        "UPDATE ballots_tallyrequest SET opened_by = %s, opened_at = now()",
    ),
    "the tally is opened": Step(
        "ballots_tally",
        "tally_opened_by_two",
        "INSERT INTO ballots_tally (meeting_id, version, reason, content, lists, asked_by,"
        " counted_by, counted_at) SELECT meeting_id, 2, 'x', content, lists, asked_by, %s, now()"
        " FROM ballots_tally",
    ),
    "the result is released": Step(
        "meetings_meeting",
        "meeting_published_by_second_person",
        "UPDATE meetings_meeting SET published_by = %s",
    ),
    "old keys of links are destroyed": Step(
        "meetings_meetingkey",
        "meeting_key_ended_by_two",
        "UPDATE meetings_meetingkey SET wrapped = NULL, ended_by = %s WHERE replaced_by <> ''",
    ),
    "an old key of the logs is destroyed": Step(
        "meetings_logkey",
        "log_key_ended_by_two",
        "UPDATE meetings_logkey SET wrapped = NULL, ended_by = %s WHERE replaced_by <> ''",
    ),
    "a meeting's keys are destroyed early": Step(
        "retention_purge",
        "purge_second_person",
        "UPDATE retention_purge SET approved_by = %s",
    ),
    "a hold on the deletion is lifted": Step(
        "retention_hold",
        "hold_lifted_by_second_person",
        "UPDATE retention_hold SET lifted_by = %s, lifted_at = now()",
    ),
    "roles are granted": Step(
        "identity_rolegrant",
        "role_grant_second_person",
        "UPDATE identity_rolegrant SET granted_by = %s, granted_at = now()",
    ),
}

# Nobody takes the second step at all: what it leads to is refused as well.
ALONE = {
    "register_in_force_is_approved": "UPDATE meetings_register SET state = 'LOADED'",
    "campaign_sent_is_approved": "UPDATE notifications_campaign SET state = 'RUNNING'",
    "tally_counted_by_somebody": TABLE["the tally is opened"].statement.replace("%s", "''"),
    "meeting_key_ended_by_two": "UPDATE meetings_meetingkey SET wrapped = NULL",
    "log_key_ended_by_two": "UPDATE meetings_logkey SET wrapped = NULL",
    "purge_due_or_approved": "UPDATE retention_purge SET stage = 'EXPORTED', exported_at = now()",
}


@pytest.fixture
def first_steps():
    """MAKER has taken every first step; nobody has taken a second one."""
    meeting = make_meeting(
        state="CLOSED", polls_sealed_at=NOW, confirmed_by=MAKER, certified_by=MAKER
    )
    make_register(meeting, state="CHECKED", uploaded_by=MAKER)
    Campaign.objects.create(meeting=meeting, number=0, plan=[], created_by=MAKER)
    ask_for_tally(meeting.pk, by=MAKER, now=NOW)
    open_tally(meeting.pk, by=ANOTHER, now=NOW)
    reissuing.renew_links(meeting.pk, by=MAKER, now=NOW)
    handing_over.change_log_key(by=MAKER, now=NOW)
    Purge.objects.create(meeting=meeting, cause="EARLY", asked_by=MAKER, asked_at=NOW)
    Hold.objects.create(meeting=meeting, reason="诉讼", placed_by=MAKER, placed_at=NOW)
    ask_for_roles(make_operator().pk, roles={Role.AUDITOR}, by=MAKER, now=NOW)
    return meeting


def rows(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        return cursor.fetchall()


def write(statement, *values):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.rowcount


@pytest.mark.parametrize("step", TABLE.values(), ids=TABLE)
def test_the_second_step_is_another_persons(first_steps, step):
    before = rows(step.table)

    with pytest.raises(IntegrityError, match=step.constraint):
        write(step.statement, MAKER)

    assert rows(step.table) == before
    assert write(step.statement, ANOTHER) == 1


@pytest.mark.parametrize("constraint", ALONE)
def test_nothing_goes_on_without_a_second_step(first_steps, constraint):
    table = ALONE[constraint].split()[2 if "INSERT" in ALONE[constraint] else 1]
    before = rows(table)

    with pytest.raises(IntegrityError, match=constraint):
        write(ALONE[constraint])

    assert rows(table) == before


def test_a_replaced_key_is_not_deleted_past_the_second_person(first_steps):
    with pytest.raises(DatabaseError, match="ended by two people"):
        write("DELETE FROM meetings_meetingkey WHERE replaced_by <> ''")

    assert MeetingKey.objects.filter(purpose="LINKS", wrapped__isnull=False).count() == 2


def test_every_constraint_that_tells_two_people_apart_stands_in_the_table(db):
    """As PostgreSQL has them: `CHECK (NOT approved_by = uploaded_by ...)`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'"
        )
        found = {
            name
            for name, definition in cursor.fetchall()
            if re.search(r"\b\w+_by\)?(?:::text)? (?:=|<>) \(?\w+_by\b", definition)
        }

    assert found == {step.constraint for step in TABLE.values()}

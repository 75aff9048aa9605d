"""What a purge does with each table: a meeting's rows deleted, its partition dropped, or kept, why.

Every table of the database stands in exactly one of these lists (tests/retention). Conditions may
use `{meeting}`, and the ranges of ids that a meeting has (common/ids.py).
"""

from __future__ import annotations

from django.db import connection, transaction
from psycopg import sql

from voting_portal.common import ids, partitions

# Dropped whole, in this order.
DROPPED = (
    "notifications_delivery",
    "ballots_logleaf",
    "ballots_ballot",
    "ballots_othervote",
    "meetings_holding",
    "meetings_holder",
)

_OF_HOLDERS = "holder_id >= {first_holder} AND holder_id < {end_holder}"
_OF_MEETING = "meeting_id = {meeting}"
DELETED = {
    "identity_assertion": _OF_HOLDERS,
    "identity_challenge": _OF_HOLDERS,
    "identity_institutionentry": _OF_HOLDERS,
    "meetings_concertparty": _OF_MEETING,
    "meetings_contact": _OF_MEETING,
    "meetings_insider": _OF_MEETING,
    "meetings_kinddecision": _OF_MEETING,
    "meetings_recusal": (
        "motion_id IN (SELECT id FROM meetings_motion WHERE meeting_id = {meeting})"
    ),
    "meetings_registerpart": (
        "register_id IN (SELECT id FROM meetings_register WHERE meeting_id = {meeting})"
    ),
    "notifications_deliverybatch": (
        "campaign_id IN (SELECT id FROM notifications_campaign WHERE meeting_id = {meeting})"
    ),
    "notifications_gatewayref": "delivery >= {first_delivery} AND delivery < {end_delivery}",
}

_WITHOUT_FAULTS = "UPDATE {table} SET errors = '[]', warnings = '[]', fault_list = '' WHERE "
_ENDED_WITHOUT_SAMPLES = (
    "UPDATE {table} SET preview = preview - 'samples',"
    " state = CASE state WHEN 'DONE' THEN 'DONE' ELSE 'CANCELLED' END WHERE "
)
# Rows that stay without what they quote of holders.
EMPTIED = {
    "meetings_listimport": (_WITHOUT_FAULTS, _OF_MEETING),
    "meetings_register": (_WITHOUT_FAULTS, _OF_MEETING),
    "notifications_campaign": (_ENDED_WITHOUT_SAMPLES, _OF_MEETING),
}

# Deleted with the keys they hold, which were destroyed before (purging.py).
WITH_THE_KEYS = ("meetings_meetingkey",)

KEPT = {
    "auth_group": "no meeting's",
    "auth_group_permissions": "no meeting's",
    "auth_permission": "no meeting's",
    "ballots_checkpoint": "roots and signatures, which are public",
    "ballots_cosignature": "signatures of scrutineers, which are public",
    "ballots_meetinglog": "the log's name, agenda and register root, which are public",
    "ballots_queuedentry": "commitments on their way; empty once the close is logged",
    "ballots_tally": "the certified result; lists under pseudonyms whose key is gone",
    "ballots_tallyrequest": "who asked for the tally",
    "ballots_voteimport": "file names, hashes and sums",
    "django_admin_log": "not written: the journal is",
    "django_content_type": "no meeting's",
    "django_migrations": "no meeting's",
    "django_session": "sessions of staff, which end by themselves",
    "identity_rolegrant": "staff",
    "identity_staffpass": "staff",
    "identity_user": "staff",
    "identity_user_groups": "staff",
    "identity_user_issuers": "staff",
    "identity_user_user_permissions": "staff",
    "meetings_candidate": "the agenda, which is public",
    "meetings_document": "papers of the meeting, which are public",
    "meetings_importheader": "no meeting's",
    "incidents_incident": "what was wrong and who saw to it, without personal data of holders",
    "meetings_calendaryear": "no meeting's",
    "meetings_importprofile": "no meeting's",
    "meetings_issuer": "public",
    "meetings_journalentry": "who did what, without personal data of holders",
    "meetings_logkey": "no meeting's",
    "meetings_meeting": "public",
    "meetings_motion": "public",
    "meetings_shareclass": "public",
    "notifications_capability": "by a blind index whose key is gone; deleted after some weeks",
    "notifications_gatewaycount": "sums",
    "notifications_gatewayhealth": "no meeting's",
    "notifications_receipt": "references whose deliveries are gone; phones go as they are matched",
    "notifications_suppression": "wishes that hold for every meeting, until they are lifted",
    "notifications_suppressionkey": "no meeting's",
    "otp_totp_totpdevice": "staff",
    "retention_hold": "why a deletion was put off",
    "retention_purge": "this",
}


def count_all(meeting_id: int) -> dict[str, int]:
    """Rows of the meeting in every table whose rows are deleted or dropped."""
    conditions = dict.fromkeys(WITH_THE_KEYS, _OF_MEETING) | DELETED
    conditions |= {table: f"id >= {{first_{table}}} AND id < {{end_{table}}}" for table in DROPPED}
    return {
        table: _execute("SELECT count(*) FROM {table} WHERE ", condition, table, meeting_id)
        for table, condition in conditions.items()
    }


@transaction.atomic
def delete_rows(meeting_id: int) -> None:
    """Delete what stands in tables that all meetings share, and empty what quotes holders."""
    for table, condition in DELETED.items():
        _execute("DELETE FROM {table} WHERE ", condition, table, meeting_id)
    for table, (emptied, condition) in EMPTIED.items():
        _execute(emptied, condition, table, meeting_id)


def drop_partitions(meeting_id: int) -> None:
    """Drop the meeting's partitions, one at a time; again is no harm.

    It waits two seconds at most for others that read the parent table, since everybody else waits
    behind it: OperationalError then, and the next try goes on where this one ended. A vacuum of the
    partition gives way after one second (deadlock_timeout).
    """
    for table in DROPPED:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            partitions.drop(partitions.partition_name(table, meeting_id))


def partitions_left(meeting_id: int) -> list[str]:
    """Names of the partitions that should be gone and are not."""
    names = [partitions.partition_name(table, meeting_id) for table in DROPPED]
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname = ANY(%s)", [names])
        return [name for (name,) in cursor.fetchall()]


def _execute(beginning: str, condition: str, table: str, meeting_id: int) -> int:
    """Execute a statement about one meeting; the number that it returns, if it returns one."""
    first_holder, end_holder = ids.holder_range(meeting_id)
    first_delivery, end_delivery = ids.delivery_range(meeting_id)
    values = {
        "meeting": meeting_id,
        "first_holder": first_holder,
        "end_holder": end_holder,
        "first_delivery": first_delivery,
        "end_delivery": end_delivery,
    }
    for name, range_of in partitions.RANGES.items():
        values[f"first_{name}"], values[f"end_{name}"] = range_of(meeting_id)
    literals = {name: sql.Literal(value) for name, value in values.items()}
    statement = sql.SQL(beginning + condition).format(table=sql.Identifier(table), **literals)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0]) if cursor.description else 0

"""Tables partitioned by meeting: one partition a meeting, by range of id (see ids.py).

A partition is made as a table of its own, filled where there is something to fill it with, and only
then attached: nobody ever sees a part of a register, and the parent is never locked for readers.
Attaching builds the indexes that the parent has.
"""

from __future__ import annotations

from django.db import connection, transaction
from psycopg import sql

from voting_portal.common import ids, locks

# table -> the range of ids that one meeting has in it
RANGES = {
    "meetings_holder": ids.holder_range,
    "meetings_holding": ids.holder_range,
    "ballots_ballot": ids.ballot_range,
    "notifications_delivery": ids.delivery_range,
}


def partition_name(table: str, meeting: int) -> str:
    return f"{table}_m{meeting}"


@transaction.atomic
def make_room(meeting: int) -> None:
    """Give a new meeting an empty partition of every table."""
    for table in RANGES:
        name = f"{partition_name(table, meeting)}_new"
        create_detached(table, name)
        attach(table, name, meeting)


def create_detached(table: str, name: str) -> None:
    """A bare table of the same columns, to load into without indexes."""
    _execute(
        "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        sql.Identifier(name),
        sql.Identifier(table),
    )


@transaction.atomic
def attach(table: str, name: str, meeting: int) -> None:
    """Put a detached table in the place of the meeting's partition, which is dropped."""
    locks.hold(locks.PARTITIONS, 0)
    final = partition_name(table, meeting)
    drop(final)
    _execute("ALTER TABLE {} RENAME TO {}", sql.Identifier(name), sql.Identifier(final))
    _execute(
        "ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})",
        sql.Identifier(table),
        sql.Identifier(final),
        *map(sql.Literal, RANGES[table](meeting)),
    )


def drop(name: str) -> None:
    """Remove a table, attached or not; nothing when there is none."""
    _execute("DROP TABLE IF EXISTS {}", sql.Identifier(name))


def _execute(statement: str, *parts: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(*parts))

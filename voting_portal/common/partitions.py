"""Tables partitioned by meeting: one partition a meeting, by range of id (see ids.py).

A partition is made as a table of its own, filled where there is something to fill it with, and only
then attached: nobody ever sees a part of a register, and the parent is never locked for readers.
Attaching builds the indexes that the parent has and the table lacks.
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
    "ballots_othervote": ids.holder_range,
    "ballots_logleaf": ids.leaf_range,
    "ballots_checkpoint": ids.leaf_range,
    "notifications_delivery": ids.delivery_range,
}

# Rows that change soon after they are written find room for it on their own page, so that no index
# has to learn where they went.
HALF_FULL = {"notifications_delivery"}


def partition_name(table: str, meeting: int) -> str:
    return f"{table}_m{meeting}"


@transaction.atomic
def make_room(meeting: int) -> None:
    """Give a new meeting an empty partition of every table."""
    for table in RANGES:
        name = f"{partition_name(table, meeting)}_new"
        create_detached(table, name, meeting)
        attach(table, name, meeting)


def create_detached(table: str, name: str, meeting: int) -> None:
    """A bare table of the same columns, to load into without indexes.

    Its rows are held to the meeting's range from the first on, so that attaching it need not look
    at them all.
    """
    _execute(
        "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
        " CONSTRAINT of_meeting CHECK (id >= {} AND id < {}))",
        sql.Identifier(name),
        sql.Identifier(table),
        *map(sql.Literal, RANGES[table](meeting)),
    )
    if table in HALF_FULL:
        _execute("ALTER TABLE {} SET (fillfactor = 50)", sql.Identifier(name))


def index_detached(table: str, name: str) -> None:
    """Give a filled detached table the parent's indexes, so that attaching it takes no time.

    `attach` locks the parent while it replaces an older partition; what is built before is not
    built under that lock.
    """
    _execute("ALTER TABLE {} ADD PRIMARY KEY (id)", sql.Identifier(name))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes"
            " WHERE schemaname = current_schema AND tablename = %s AND indexname <> %s",
            [table, f"{table}_pkey"],
        )
        definitions = [definition for (definition,) in cursor.fetchall()]
    for definition in definitions:
        kind, _on, method = definition.partition(" USING ")
        unique = "UNIQUE " if kind.startswith("CREATE UNIQUE") else ""
        _execute(f"CREATE {unique}INDEX ON {{}} USING {method}", sql.Identifier(name))


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
    _execute("ALTER TABLE {} DROP CONSTRAINT of_meeting", sql.Identifier(final))


def drop(name: str) -> None:
    """Remove a table, attached or not; nothing when there is none."""
    _execute("DROP TABLE IF EXISTS {}", sql.Identifier(name))


def _execute(statement: str, *parts: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(*parts))

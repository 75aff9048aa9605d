"""PostgreSQL's advisory locks of one transaction, named once so that no two uses collide."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.db import connection, transaction

POLLS = 1  # shared by every ballot being cast; exclusive for the seal
REGISTER = 2  # one load of a meeting's register at a time
CAMPAIGN = 3  # shared by every sub-batch that leaves; exclusive for a step of the campaign
PARTITIONS = 4  # one change of the partitioned tables at a time
PHONE = 5  # one code to a phone at a time
JOURNAL = 6  # one entry of a meeting's journal at a time; taken by the journal's trigger
SEQUENCER = 7  # one process at a time extends the ballot logs
LOG_START = 8  # one process at a time begins the ballot log of a meeting
GATEWAY = 9  # one process for a gateway's links
PURGE = 10  # one process at a time deletes the personal data of a meeting
MIGRATION = 11  # one migration at a time
RECALL = 12  # one process at a time calls messages back


def hold(kind: int, subject: int, *, shared: bool = False) -> None:
    """Hold the lock until the transaction ends; wait for it as long as lock_timeout lets."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an advisory lock needs a transaction")
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [kind, subject])


def try_to_hold(kind: int, subject: int) -> bool:
    """Hold the lock until the transaction ends, if nobody holds it now."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an advisory lock needs a transaction")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [kind, subject])
        ((is_held,),) = cursor.fetchall()
    return bool(is_held)


@contextlib.contextmanager
def held_by_the_process(kind: int, subject: str) -> Iterator[bool]:
    """Hold the lock for the block, outside transactions; False when another process holds it.

    It goes with the connection of this thread: a process that dies holds nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [kind, subject])
        ((is_held,),) = cursor.fetchall()
    try:
        yield bool(is_held)
    finally:
        if is_held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [kind, subject])

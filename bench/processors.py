"""Processor time of a piece of work: the portal's own and PostgreSQL's, on a machine that is never
quiet."""

from __future__ import annotations

import os
import time
from pathlib import Path

from django.db import connection

TICKS = os.sysconf("SC_CLK_TCK")  # a second


def processor_seconds() -> float:
    """What this process and every process of the database server have used so far.

    The server must be on this machine. Its part is counted in hundredths of a second.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL")
        processes = [pid for (pid,) in cursor.fetchall()]
    return time.process_time() + sum(map(_ticks, processes)) / TICKS


def _ticks(process: int) -> int:
    """User and system time of a process, 0 when it has gone; its name may hold blanks."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return 0
    values = stat.rpartition(")")[2].split()
    return int(values[11]) + int(values[12])

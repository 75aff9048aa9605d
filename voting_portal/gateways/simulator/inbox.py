"""The messages that simulated phones received, in one SQLite file that outlives the process."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PAGE_LENGTH = 50

_TABLE = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    ref TEXT NOT NULL,
    phone TEXT NOT NULL,
    text TEXT NOT NULL,
    received_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS message_phone ON message (phone, id);
"""


@dataclass(frozen=True)
class ReceivedMessage:
    id: int
    ref: str
    phone: str
    text: str
    received_at: datetime


class Inbox:
    """Safe for threads: one connection, one at a time."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_TABLE)
        self._lock = threading.Lock()

    def receive(self, messages: Sequence[tuple[str, str, str]], *, now: datetime) -> None:
        """Keep messages of `(ref, phone, text)`."""
        rows = [(*message, now.timestamp()) for message in messages]
        with self._lock:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT INTO message (ref, phone, text, received_at) VALUES (?, ?, ?, ?)", rows
            )
            self._connection.execute("COMMIT")

    def read(
        self, *, phone: str = "", before: int | None = None, limit: int = PAGE_LENGTH
    ) -> list[ReceivedMessage]:
        """Newest first: of all phones, or of those whose number is or ends in `phone`."""
        conditions, parameters = ["1"], []
        if len(phone) >= 11:
            conditions.append("phone = ?")
            parameters.append(phone)
        elif phone:
            conditions.append("substr(phone, ?) = ?")
            parameters += [str(-len(phone)), phone]
        if before is not None:
            conditions.append("id < ?")
            parameters.append(str(before))
        statement = (
            "SELECT id, ref, phone, text, received_at FROM message WHERE "  # noqa: S608
            + " AND ".join(conditions)
            + f" ORDER BY id DESC LIMIT {int(limit)}"
        )
        with self._lock:
            rows = self._connection.execute(statement, parameters).fetchall()
        return [
            ReceivedMessage(number, ref, to, text, datetime.fromtimestamp(at, UTC))
            for number, ref, to, text, at in rows
        ]

    def count(self) -> int:
        with self._lock:
            (number,) = self._connection.execute("SELECT count(*) FROM message").fetchone()
        return int(number)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

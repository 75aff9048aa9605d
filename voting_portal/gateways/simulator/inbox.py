"""The messages that simulated phones received, in one SQLite file that outlives the process."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from voting_portal.gateways.protocol import Kind

PAGE_LENGTH = 50

_TABLE = """
CREATE TABLE IF NOT EXISTS arrival (
    id INTEGER PRIMARY KEY,
    ref TEXT NOT NULL,
    phone TEXT NOT NULL,
    text TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    link TEXT NOT NULL,
    button TEXT NOT NULL,
    received_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS arrival_phone ON arrival (phone, id);
"""


class Arrival(NamedTuple):
    """What arrives on a phone; a card has a title, and a link behind its button."""

    ref: str
    phone: str
    text: str
    kind: str = Kind.SMS.value
    title: str = ""
    link: str = ""
    button: str = ""


@dataclass(frozen=True)
class ReceivedMessage:
    id: int
    received_at: datetime
    ref: str
    phone: str
    text: str
    kind: str
    title: str
    link: str
    button: str

    @property
    def has_address(self) -> bool:
        """Whether the button leads anywhere: a page of the web, nothing that runs."""
        return self.link.startswith(("https://", "http://"))


class Inbox:
    """Safe for threads: one connection, one at a time."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_TABLE)
        self._lock = threading.Lock()

    def receive(
        self, messages: Sequence[Arrival] | Sequence[tuple[str, str, str]], *, now: datetime
    ) -> None:
        """Keep arrivals, or plain SMS of `(ref, phone, text)`."""
        rows = [(*Arrival(*message), now.timestamp()) for message in messages]
        with self._lock:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT INTO arrival (ref, phone, text, kind, title, link, button, received_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
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
            "SELECT id, received_at, ref, phone, text, kind, title, link, button"  # noqa: S608
            " FROM arrival WHERE "
            + " AND ".join(conditions)
            + f" ORDER BY id DESC LIMIT {int(limit)}"
        )
        with self._lock:
            rows = self._connection.execute(statement, parameters).fetchall()
        return [
            ReceivedMessage(number, datetime.fromtimestamp(at, UTC), *said)
            for number, at, *said in rows
        ]

    def count(self) -> int:
        with self._lock:
            (number,) = self._connection.execute("SELECT count(*) FROM arrival").fetchone()
        return int(number)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

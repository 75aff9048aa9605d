"""Changing the key-encryption key (更换主密钥) while everything runs.

A new key is added to the key store, then used: what is wrapped from then on is wrapped by it, and
the old one still opens what it wrapped. Rewrapping then goes through everything that it wraps,
batch by batch; it may be stopped and begun again at any time. At the end the old key wraps nothing
and can be taken out. Data keys do not change, so nothing that they sealed is touched.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db import connection, models
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from meetings import journal, keys, log_keys
from meetings.keys import KeyDestroyed
from meetings.models import LogKey
from voting_portal.common import sealing
from voting_portal.common.refusals import Refusal

BATCH = 500  # rows
# No transaction lasts as long: whatever was wrapped by the old key is in the books by then.
SETTLED = timedelta(hours=1)


class CannotRotate(Refusal):
    """The key store is as it was; `message` says why."""


class NoSuchKey(CannotRotate):
    message = _("密钥文件中没有这把主密钥。")


class KeyInUse(CannotRotate):
    message = _("这把主密钥还在使用：请先改用新的，并重新加密所有数据密钥。")


class NotSettled(CannotRotate):
    message = _("改用新的主密钥（密钥文件中的since）还不到一小时，旧的可能仍有人在用。")


class CannotRewrap(CannotRotate):
    """A row does not open; the message names it."""


class StoreNotWritable(CannotRotate):
    message = _("密钥文件不能在这里写入：请在其来源处修改。")


class Wrapped(Protocol):
    """Keys that a key-encryption key wraps."""

    def count_not_by(self, name: str) -> int:
        """How many another one than this wraps."""

    def is_wrapped_by(self, name: str) -> bool:
        """Whether this one wraps any."""

    def rewrap_some(self, store: keys.KeyStore) -> int:
        """Wrap up to BATCH of them by the one in force; how many. CannotRewrap."""


@dataclass(frozen=True)
class Column:
    """A column of wrapped keys, and what each row of it was wrapped for."""

    model: Any  # a model's class
    field: str
    context: Callable[[Any], bytes]

    def __str__(self) -> str:
        return f"{self.model._meta.db_table}.{self.field}"

    def count_not_by(self, name: str) -> int:
        return self._not_by(name).count()

    def is_wrapped_by(self, name: str) -> bool:
        return self._rows().filter(**self._begins_with(name)).exists()

    def rewrap_some(self, store: keys.KeyStore) -> int:
        """One statement: each row only if it still holds what was read."""
        rows = list(self._not_by(store.current).order_by("pk")[:BATCH])
        old = [bytes(getattr(row, self.field)) for row in rows]
        new = []
        for row, wrapped in zip(rows, old, strict=True):
            context = self.context(row)
            with _telling(self, row.pk):
                new.append(store.wrap(store.unwrap(wrapped, context=context), context=context))
        statement = sql.SQL(
            "UPDATE {table} SET {field} = rewrapped.new"
            " FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[]) AS rewrapped(id, old, new)"
            " WHERE {table}.id = rewrapped.id AND {table}.{field} = rewrapped.old"
        ).format(table=sql.Identifier(self.model._meta.db_table), field=sql.Identifier(self.field))
        with connection.cursor() as cursor:
            cursor.execute(statement, [[row.pk for row in rows], old, new])
        return len(rows)

    def _not_by(self, name: str) -> models.QuerySet[Any]:
        return self._rows().exclude(**self._begins_with(name))

    def _begins_with(self, name: str) -> dict[str, bytes]:
        start = keys.mark(name)
        end = start[:-1] + bytes([start[-1] + 1])
        return {f"{self.field}__gte": start, f"{self.field}__lt": end}

    def _rows(self) -> models.QuerySet[Any]:
        rows: models.QuerySet[Any] = self.model.objects.filter(**{f"{self.field}__isnull": False})
        return rows


class WrappingKeys:
    """The keys of meetings that wrap their data keys: they stand outside the database."""

    def __str__(self) -> str:
        return "wrapping keys of meetings"

    def count_not_by(self, name: str) -> int:
        return len(self._not_by(keys.keystore(), name))

    def is_wrapped_by(self, name: str) -> bool:
        return name in keys.keystore().guards().values()

    def rewrap_some(self, store: keys.KeyStore) -> int:
        some = self._not_by(store, store.current)[:BATCH]
        for name in some:
            with _telling(self, name):
                store.reseal(name)
        return len(some)

    def _not_by(self, store: keys.KeyStore, name: str) -> list[str]:
        return [key for key, guard in store.guards().items() if guard != name]


OF_MEETINGS: tuple[Wrapped, ...] = (
    WrappingKeys(),
    Column(LogKey, "wrapped", log_keys.context_of),
)


@contextmanager
def _telling(where: object, row: object) -> Iterator[None]:
    try:
        yield
    except (KeyDestroyed, ValueError, sealing.CannotOpen):
        words = {"column": where, "row": row}
        raise CannotRewrap(_("%(column)s第%(row)s行打不开：缺少它的主密钥。") % words) from None


def add_key(*, by: str, now: datetime) -> str:
    """Put a new key-encryption key into the key store, which does not use it yet; its name.

    StoreNotWritable where the file is mounted to be read only.
    """
    content = _read()
    name = str(max(int(known) for known in content["keys"] if known.isdecimal()) + 1)
    content["keys"][name] = base64.b64encode(sealing.new_key()).decode()
    _write(content)
    journal.record(None, "kek.added", by=by, at=now, key=name)
    return name


def use_key(name: str, *, by: str, now: datetime) -> None:
    """Wrap by this key from now on. Every server must have it in its key store by then.

    NoSuchKey, StoreNotWritable.
    """
    content = _read()
    if name not in content["keys"]:
        raise NoSuchKey
    _write({**content, "current": name, "since": now.isoformat()})
    journal.record(None, "kek.used", by=by, at=now, key=name)


def rewrap(
    everything: Sequence[Wrapped], *, by: str, now: datetime
) -> Iterator[tuple[Wrapped, int]]:
    """Wrap by the current key whatever another one has wrapped; after each batch, how many.

    What is changed or deleted meanwhile is left alone. Memory is flat in the number of rows.
    CannotRewrap for a key whose wrapping key is not in the key store or does not open it; what was
    done before stays done.
    """
    store, total = keys.keystore(), 0
    for wrapped in everything:
        while some := wrapped.rewrap_some(store):
            total += some
            yield wrapped, some
    if total:
        journal.record(None, "kek.rewrapped", by=by, at=now, key=store.current, rows=total)


def retire_key(name: str, *, everything: Sequence[Wrapped], by: str, now: datetime) -> None:
    """Take an old key-encryption key out of the key store.

    NoSuchKey; KeyInUse while it is the current one or anything is wrapped by it; NotSettled within
    an hour of the change; StoreNotWritable.
    """
    content = _read()
    if name not in content["keys"]:
        raise NoSuchKey
    if name == content["current"] or any(wrapped.is_wrapped_by(name) for wrapped in everything):
        raise KeyInUse
    since = content.get("since", "")
    if not since or datetime.fromisoformat(since) + SETTLED > now:
        raise NotSettled
    del content["keys"][name]
    _write(content)
    journal.record(None, "kek.retired", by=by, at=now, key=name)


def _read() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(settings.KEYSTORE_FILE).read_text())
    return content


def _write(content: dict[str, Any]) -> None:
    """Put the file in its place at once: whoever reads it meanwhile reads the old or the new."""
    path = Path(settings.KEYSTORE_FILE)
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            part = Path(file.name)  # of mode 0600
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        try:
            part.chmod(path.stat().st_mode & 0o777)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError:
        raise StoreNotWritable from None

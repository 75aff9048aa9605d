"""Registers that the dedicated line delivers into a folder (专线投递): each loaded once.

The line writes FILE and, when it is complete, FILE.sha256 beside it. Which meeting a file is for
stands in FILE.totals.json, or in its name (`..600000_20260623..`: security code and record date).
A register waits for a person's approval like any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO

from django.db import transaction
from django.db.models import Q

from meetings import lifecycle
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting, Register
from meetings.register import reading
from meetings.register.checks import FILE_NAME
from meetings.register.loading import load_register
from voting_portal.common import locks

WATCHER = "system:watch"
CHECKSUM, SIDE_FORM = ".sha256", ".totals.json"


@dataclass(frozen=True)
class Sighting:
    """What was done with a file, or why it has to wait."""

    file_name: str
    words: str
    register: Register | None = None  # that was loaded from it now


class _NotYet(Exception):
    """The file cannot be loaded now; the message says why. It is tried again."""


@dataclass(frozen=True)
class _SideForm:
    security_code: str
    record_date: date
    accounts: int | None = None
    total_shares: int | None = None
    is_stated: bool = False

    @property
    def stated_record_date(self) -> date | None:
        return self.record_date if self.is_stated else None


# When a file and what stands beside it were last written; a program can set the other times back.
_Stamp = tuple[int | None, ...]


class Watch:
    """A folder, and what was seen in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: dict[str, _Stamp] = {}
        self._said: dict[str, str] = {}

    def look(self, *, now: datetime) -> Iterator[Sighting]:
        """Load what is complete and new; a file that waits is told of when its reason changes."""
        for path in sorted(self._folder.iterdir()):
            if path.name.startswith(".") or path.name.endswith((CHECKSUM, SIDE_FORM)):
                continue
            try:
                stamp = _stamp(path)
                if not path.is_file() or self._done.get(path.name) == stamp:
                    continue
                sighting = _load(path, now=now)
                self._done[path.name] = stamp
            except _NotYet as reason:
                sighting = Sighting(path.name, f"waits: {reason}")
            except OSError as error:
                sighting = Sighting(path.name, f"waits: {error.strerror}")
            if self._said.get(path.name) != sighting.words:
                self._said[path.name] = sighting.words
                yield sighting


def _load(path: Path, *, now: datetime) -> Sighting:
    expected = _checksum_beside(path)
    form = _side_form(path)
    meeting = _meeting_of(form)
    with path.open("rb") as file, transaction.atomic():
        sha256, _size = reading.fingerprint(file)
        if sha256 != expected:
            raise _NotYet(f"its content is not what {path.name}{CHECKSUM} says")
        # Two watchers, or a watcher and a worker: the second one comes again later.
        if not locks.try_to_hold(locks.REGISTER, meeting.pk):
            raise _NotYet("another register of the meeting is being loaded")
        if known := _known(meeting, sha256, form):
            return Sighting(path.name, f"was loaded before, as version {known.version}")
        return _load_into(meeting, file, path.name, form, sha256, now=now)


def _known(meeting: Meeting, sha256: str, form: _SideForm) -> Register | None:
    """The version that has this content. One that was refused for what its side form said is tried
    again with another one."""
    found = meeting.registers.filter(sha256=sha256).order_by("version")
    as_stated = Q(
        stated_accounts=form.accounts,
        stated_shares=form.total_shares,
        stated_record_date=form.stated_record_date,
    )
    return found.filter(~Q(state=Register.State.REFUSED) | as_stated).first()


def _load_into(
    meeting: Meeting, file: IO[bytes], name: str, form: _SideForm, sha256: str, *, now: datetime
) -> Sighting:
    try:
        register = load_register(
            meeting.pk,
            file,
            file_name=name,
            stated_holders=form.accounts,
            stated_shares=form.total_shares,
            stated_record_date=form.stated_record_date,
            expected_sha256=sha256,
            by=WATCHER,
            now=now,
        )
    except CannotAdvance as refusal:
        raise _NotYet(str(refusal)) from None
    if register.state == Register.State.REFUSED:
        kinds = ", ".join(sorted({error["kind"] for error in register.errors}))
        words = f"refused as version {register.version}: {kinds}"
    else:
        words = f"checked as version {register.version}, waits for approval"
    return Sighting(name, f"{words}; read {register.rows_read:,} rows", register)


def _stamp(path: Path) -> _Stamp:
    beside = (path.with_name(path.name + suffix) for suffix in (CHECKSUM, SIDE_FORM))
    return (
        path.stat().st_ctime_ns,
        *(other.stat().st_ctime_ns if other.exists() else None for other in beside),
    )


def _checksum_beside(path: Path) -> str:
    """As sha256sum writes it; only what is whole counts."""
    beside = path.with_name(path.name + CHECKSUM)
    if not beside.exists():
        raise _NotYet(f"there is no {beside.name} yet")
    words = beside.read_text(errors="replace").lower().split()
    if not words or not re.fullmatch("[0-9a-f]{64}", words[0]):
        raise _NotYet(f"{beside.name} holds no SHA-256")
    return words[0]


def _side_form(path: Path) -> _SideForm:
    """What the side form says of the file, or its name where there is none."""
    beside = path.with_name(path.name + SIDE_FORM)
    try:
        if beside.exists():
            form = json.loads(beside.read_text())
            code, day = str(form["security_code"]), date.fromisoformat(form["record_date"])
            accounts, shares = form.get("accounts"), form.get("total_shares")
            if not all(isinstance(n, int | None) for n in (accounts, shares)):
                raise ValueError
            return _SideForm(code, day, accounts, shares, is_stated=True)
        if named := FILE_NAME.search(path.name):
            code, year, month, day_of_month = named.groups()
            return _SideForm(code, date(int(year), int(month), int(day_of_month)))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _NotYet("its side form or name holds no security code and record date") from None
    raise _NotYet("neither a side form nor its name tells security code and record date")


def _meeting_of(form: _SideForm) -> Meeting:
    """The one meeting of the security and record date that still takes a register.

    A rehearsal stands back for the meeting that it rehearses.
    """
    meetings = Meeting.objects.filter(
        issuer__security_code=form.security_code,
        record_date=form.record_date,
        state__in=lifecycle.BEFORE_INVITATION,
    )
    found = list(meetings.filter(is_rehearsal=False)) or list(meetings)
    if len(found) != 1:
        number = "no meeting" if not found else f"{len(found)} meetings"
        raise _NotYet(f"{number} of {form.security_code} with record date {form.record_date}")
    return found[0]

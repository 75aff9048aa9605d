"""The archive (归档): what outlives a meeting's personal data, written, read again and verified.

A folder a meeting: both bundles, the result in all its forms, the journal, and the verifier's
reports. Files are on the disk, and the verifier has found both bundles good, before anything is
said to be archived; a folder that stands under its final name is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from django.conf import settings

from ballots.announcement_files import FORMS
from ballots.log.bundle import BundleKind, write_bundle
from ballots.log.keys import reigns_of
from ballots.log.notes import NoteKey
from ballots.models import MeetingLog, Tally
from meetings.agenda import read_agenda
from meetings.models import JournalEntry, Meeting

BLOCK_BYTES = 1 << 20
VERIFY_SECONDS = 3_600
SUMS = "SHA256SUMS"

Files = dict[str, list[int | str]]  # name -> [bytes, SHA-256 in hexadecimal]


class BadArchive(Exception):
    """What was written is not what should be there; nothing may be destroyed."""


def folder_of(meeting: Meeting) -> Path:
    """Where a meeting is archived."""
    name = f"{meeting.pk}-{meeting.issuer.security_code}-{meeting.meeting_date:%Y%m%d}"
    return Path(settings.ARCHIVE_DIR) / "meetings" / name


def write_archive(meeting_id: int) -> Files:
    """Archive a meeting and verify it; again begins anew.

    BadArchive when a bundle does not verify, or a file does not read as it was written.
    """
    meeting = Meeting.objects.select_related("issuer").get(pk=meeting_id)
    final = folder_of(meeting)
    new = final.with_name(f"{final.name}.new")
    shutil.rmtree(new, ignore_errors=True)  # of a try that was interrupted
    new.mkdir(mode=0o750, parents=True)
    files: Files = {}
    for name, write in _writers(meeting):
        files[name] = _write(new / name, write)
    for kind in BundleKind:
        if _bundle(kind) in files:
            report = _verify(new / _bundle(kind), key=reigns_of(meeting_id)[-1].key)
            files[f"{kind}-verified.json"] = _write(new / f"{kind}-verified.json", report)
    listed = "".join(f"{digest}  {name}\n" for name, (_size, digest) in sorted(files.items()))
    files[SUMS] = _write(new / SUMS, lambda file: file.write(listed.encode()))
    check_archive(new, files)
    for number in itertools.count(1):  # what was archived once is never removed
        if not final.exists():
            break
        with contextlib.suppress(OSError):
            final.rename(final.with_name(f"{final.name}.{number}"))
    new.rename(final)
    for folder in (final, final.parent, final.parent.parent):
        _sync(folder)
    return files


def read_archive(meeting_id: int) -> Files:
    """What was archived of a meeting before, checked; BadArchive when there is no whole archive.

    A database that was restored to before a purge finds the keys destroyed and this archive.
    """
    folder = folder_of(Meeting.objects.select_related("issuer").get(pk=meeting_id))
    try:
        listed = (folder / SUMS).read_bytes()
        files: Files = {SUMS: [len(listed), hashlib.sha256(listed).hexdigest()]}
        for line in listed.decode().splitlines():
            digest, _two_blanks, name = line.partition("  ")
            files[name] = [(folder / name).stat().st_size, digest]
    except OSError as error:
        raise BadArchive(f"no archive: {error.strerror}") from None
    check_archive(folder, files)
    return files


def check_archive(folder: Path, files: Files) -> None:
    """Read every file again; BadArchive unless all of them are there and as they were written."""
    for name, (size, digest) in files.items():
        try:
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
                length = file.tell()
        except OSError as error:
            raise BadArchive(f"{name}: {error.strerror}") from None
        if (length, found) != (size, digest):
            raise BadArchive(f"{name} is not as it was written")


def _writers(meeting: Meeting) -> list[tuple[str, Callable[[IO[bytes]], object]]]:
    """What there is to write: a meeting that was called off has neither ballots nor a result."""
    writers: list[tuple[str, Callable[[IO[bytes]], object]]] = []
    log = MeetingLog.objects.filter(pk=meeting.pk, closed_size__isnull=False)
    if log.exists():
        writers += [(_bundle(kind), _bundle_writer(meeting.pk, kind)) for kind in BundleKind]
    agenda = read_agenda(meeting.pk)
    for tally in Tally.objects.filter(meeting=meeting).order_by("version"):
        for extension, form in FORMS.items():
            content = form.write(agenda, tally)
            writers.append((f"result-{tally.version}.{extension}", _content_writer(content)))
    writers.append(("journal.jsonl", lambda file: _write_journal(meeting.pk, file)))
    return writers


def _bundle(kind: BundleKind) -> str:
    return f"{kind}-bundle.zip"


def _bundle_writer(meeting_id: int, kind: BundleKind) -> Callable[[IO[bytes]], object]:
    return lambda file: write_bundle(meeting_id, kind, file)


def _content_writer(content: bytes) -> Callable[[IO[bytes]], object]:
    return lambda file: file.write(content)


def _write_journal(meeting_id: int, file: IO[bytes]) -> None:
    entries = JournalEntry.objects.filter(meeting=meeting_id).order_by("id")
    for entry in entries.iterator():
        line = {
            "id": entry.pk,
            "at": entry.at.isoformat(),
            "verb": entry.verb,
            "actor": entry.actor,
            "details": entry.details,
            "link": bytes(entry.link).hex(),
        }
        file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> list[int | str]:
    with path.open("w+b") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return [size, hashlib.file_digest(file, "sha256").hexdigest()]


def _verify(bundle: Path, *, key: NoteKey) -> Callable[[IO[bytes]], object]:
    """Let the verifier, which shares no code with this server, judge a bundle; BadArchive."""
    place = Path(settings.BASE_DIR) / "verifier"
    command = [sys.executable, "-m", "ballot_verifier", str(bundle), "--json", "--processes=1"]
    done = subprocess.run(  # noqa: S603 - our own program, our own arguments
        [*command, f"--key={key.vkey}"],
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        check=False,
        timeout=VERIFY_SECONDS,
    )
    if done.returncode:
        said = (done.stdout or done.stderr).decode(errors="replace").strip()
        raise BadArchive(f"{bundle.name} does not verify: {said[-200:]}")
    return _content_writer(done.stdout)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Bundles (核验包): everything that somebody needs to check a meeting without this server.

One ZIP file, written from the database as it is read, so memory is flat in the number of ballots.
The public one opens nothing that says how anybody voted; the auditor's opens every record, under
pseudonyms.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from typing import IO, Any

from django.db import transaction

from ballots.log import ballots, keys, others, tallies
from ballots.log.ballots import Opening
from ballots.log.checkpoints import CannotShow, NotLogged, cosigner_keys, note_of
from ballots.log.commitment import Kind, entry
from ballots.log.models import Checkpoint, Cosignature, LogLeaf, MeetingLog, QueuedEntry
from ballots.log.sequencer import close_opening
from ballots.log.starting import register_openings, start_opening
from ballots.models import Tally, VoteImport
from meetings.agenda import Agenda, read_agenda
from meetings.models import Meeting
from voting_portal.common import ids

BATCH = 5_000  # leaves at a time
FAST = 1  # of zlib's levels: most of a bundle is random and packs no better at the others


class BundleKind(StrEnum):
    PUBLIC = "public"
    AUDITOR = "auditor"


@transaction.atomic
def write_bundle(meeting_id: int, kind: BundleKind, file: IO[bytes]) -> None:
    """Write a meeting's bundle to a file.

    CannotShow before the polls are sealed, NotLogged while something waits for the log. Whether the
    records open their leaves is for the verifier to find.
    """
    meeting = Meeting.objects.get(pk=meeting_id)
    started = MeetingLog.objects.filter(pk=meeting_id).first()
    if meeting.polls_sealed_at is None:
        raise CannotShow
    is_waiting = QueuedEntry.objects.filter(meeting_id=meeting_id).exists()
    if started is None or started.closed_size is None or is_waiting:
        raise NotLogged
    with zipfile.ZipFile(file, "w") as archive:
        _Bundle(meeting, started, kind, archive).write()


class _Bundle:
    def __init__(
        self, meeting: Meeting, started: MeetingLog, kind: BundleKind, archive: zipfile.ZipFile
    ) -> None:
        self.meeting, self.started, self.kind, self.archive = meeting, started, kind, archive
        self.agenda: Agenda = read_agenda(meeting.pk)
        # What came after this moment is left out of every file.
        first = ids.leaf_id(meeting.pk, 0)
        self.leaves = LogLeaf.objects.filter(id__gte=first, id__lt=first + started.size)
        tally = self.leaves.filter(kind=Kind.TALLY).order_by("id").last()
        self.tally = Tally.objects.get(pk=tally.subject) if tally else None
        self.files: dict[str, dict[str, int | str]] = {}

    def write(self) -> None:
        is_whole = self.kind == BundleKind.AUDITOR
        reigns = keys.reigns_of(self.meeting.pk)
        of_log = [reign.key for reign in reigns if reign.first <= self.started.size]
        shown = [*of_log, *cosigner_keys(self.meeting.pk)]
        self._add("keys.txt", (f"{key.vkey}\n".encode() for key in shown))
        self._add("agenda.json", [bytes(self.started.agenda)])
        self._add("checkpoints.txt", self._checkpoints())
        self._add("entries.bin", self._entries())
        self._add("openings.txt", self._openings() if is_whole else self._public_openings())
        if is_whole:
            holders = enumerate(register_openings(self.agenda))
            self._add("register.txt", (_line(place, opening) for place, opening in holders))
        if self.tally and is_whole:
            self._add("lists.json", [bytes(self.tally.lists)])
        if self.tally and (is_whole or self._is_published):
            self._add("totals.json", [tallies.totals_document(self.tally)])
        manifest = {
            "format": "ballot-log/v1 bundle",
            "kind": self.kind.value,
            "origin": self.started.origin,
            "files": self.files,
        }
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        self.archive.writestr(zipfile.ZipInfo("manifest.json"), text)

    @property
    def _is_published(self) -> bool:
        return self.meeting.state == Meeting.State.PUBLISHED

    def _add(self, name: str, parts: Iterable[bytes]) -> None:
        """Write one file of the bundle in parts, and note its size and hash for the manifest."""
        size, digest = 0, hashlib.sha256()
        info = zipfile.ZipInfo(name)  # of a fixed time: the same books give the same bundle
        info.compress_type = zipfile.ZIP_DEFLATED
        info._compresslevel = FAST  # type: ignore[attr-defined]  # noqa: SLF001 - no public name
        with self.archive.open(info, "w", force_zip64=True) as file:
            for part in parts:
                file.write(part)
                digest.update(part)
                size += len(part)
        self.files[name] = {"size": size, "sha256": digest.hexdigest()}

    def _checkpoints(self) -> Iterator[bytes]:
        cosignatures: dict[int, list[Cosignature]] = {}
        for row in Cosignature.objects.filter(meeting=self.meeting).order_by("id"):
            cosignatures.setdefault(row.size, []).append(row)
        known = keys.all_keys()
        first = ids.leaf_id(self.meeting.pk, 0)
        found = Checkpoint.objects.filter(id__gte=first, id__lt=first + self.started.size)
        for checkpoint in found.order_by("id").iterator(BATCH):
            signed = cosignatures.get(checkpoint.size, [])
            yield note_of(self.started.origin, checkpoint, signed, known).encode()

    def _entries(self) -> Iterator[bytes]:
        for leaves in self._leaves("kind", "commitment"):
            yield b"".join(entry(kind, bytes(commitment)) for kind, commitment in leaves)

    def _openings(self) -> Iterator[bytes]:
        hashes = dict(VoteImport.objects.filter(meeting=self.meeting).values_list("id", "sha256"))
        for leaves in self._leaves("id", "kind", "subject"):
            subjects: dict[int, list[int]] = {}
            for _id, kind, subject in leaves:
                subjects.setdefault(kind, []).append(subject)
            cast = ballots.openings_of(subjects.get(Kind.BALLOT, ()), self.agenda)
            said = others.openings_of(
                subjects.get(Kind.OTHER, ()), sha256=hashes, agenda=self.agenda
            )
            lines = []
            for leaf, kind, subject in leaves:
                if kind == Kind.BALLOT:
                    opening = cast[subject]
                elif kind == Kind.OTHER:
                    opening = said[subject]
                else:
                    opening = self._opening_of(kind, subject)
                lines.append(_line(ids.place_of_leaf(leaf), opening))
            yield b"".join(lines)

    def _public_openings(self) -> Iterator[bytes]:
        kinds = [Kind.START, Kind.CLOSE, Kind.KEY]
        shown = [*self.leaves.filter(kind__in=kinds)]
        if self.tally and self._is_published:
            shown.append(self.leaves.get(kind=Kind.TALLY, subject=self.tally.pk))
        for leaf in sorted(shown, key=lambda leaf: leaf.pk):
            yield _line(ids.place_of_leaf(leaf.pk), self._opening_of(leaf.kind, leaf.subject))

    def _opening_of(self, kind: int, subject: int) -> Opening:
        if kind == Kind.START:
            agenda = hashlib.sha256(self.started.agenda).digest()
            return start_opening(self.started, agenda)
        if kind == Kind.CLOSE:
            return close_opening(self.started)
        if kind == Kind.KEY:
            return keys.key_opening(self.started, subject)
        return tallies.salt_and_record(Tally.objects.get(pk=subject))

    def _leaves(self, *columns: str) -> Iterator[list[tuple[Any, ...]]]:
        """These columns of all leaves, in batches, by way of a cursor of the server."""
        rows = self.leaves.order_by("id").values_list(*columns).iterator(BATCH)
        while batch := list(islice(rows, BATCH)):
            yield batch


def _line(place: int, opening: Opening) -> bytes:
    salt, record = opening
    return b"%d\t%s\t%s\n" % (place, salt.hex().encode(), record[:-1].replace(b"\n", b"\t"))

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
from typing import IO

from django.db import transaction

from ballots.log import ballots, keys, others, tallies
from ballots.log.checkpoints import CannotShow, NotLogged, cosigner_keys, note_of
from ballots.log.commitment import Kind, entry
from ballots.log.models import Checkpoint, Cosignature, LogLeaf, MeetingLog, QueuedEntry
from ballots.log.sequencer import close_opening
from ballots.log.starting import register_openings, start_opening
from ballots.models import Ballot, OtherVote, Tally, VoteImport
from meetings.agenda import Agenda, read_agenda
from meetings.models import Meeting
from voting_portal.common import ids

BATCH = 5_000  # leaves at a time

Opening = tuple[bytes, bytes]  # salt and record


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
        self.tally = Tally.objects.newest_of(meeting.pk)
        self.files: dict[str, dict[str, int | str]] = {}

    def write(self) -> None:
        is_whole = self.kind == BundleKind.AUDITOR
        of_log = [reign.key for reign in keys.reigns_of(self.meeting.pk)]
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
        found = Checkpoint.objects.of_meeting(self.meeting.pk).order_by("id")
        for checkpoint in found.iterator(BATCH):
            signed = cosignatures.get(checkpoint.size, [])
            yield note_of(self.started.origin, checkpoint, signed, known).encode()

    def _entries(self) -> Iterator[bytes]:
        for leaves in self._leaves():
            yield b"".join(entry(leaf.kind, bytes(leaf.commitment)) for leaf in leaves)

    def _openings(self) -> Iterator[bytes]:
        hashes = dict(VoteImport.objects.filter(meeting=self.meeting).values_list("id", "sha256"))
        for leaves in self._leaves():
            subjects: dict[int, list[int]] = {}
            for leaf in leaves:
                subjects.setdefault(leaf.kind, []).append(leaf.subject)
            cast = Ballot.objects.in_bulk(subjects.get(Kind.BALLOT, ()))
            said = OtherVote.objects.in_bulk(subjects.get(Kind.OTHER, ()))
            for leaf in leaves:
                if leaf.kind == Kind.BALLOT:
                    opening = ballots.salt_and_record(cast[leaf.subject], self.agenda)
                elif leaf.kind == Kind.OTHER:
                    vote = said[leaf.subject]
                    sha256 = hashes[vote.vote_import_id]
                    opening = others.salt_and_record(vote, sha256=sha256, agenda=self.agenda)
                else:
                    opening = self._opening_of(leaf)
                yield _line(ids.place_of_leaf(leaf.pk), opening)

    def _public_openings(self) -> Iterator[bytes]:
        kinds = [Kind.START, Kind.CLOSE, Kind.KEY]
        found = LogLeaf.objects.of_meeting(self.meeting.pk)
        shown = [*found.filter(kind__in=kinds).order_by("id")]
        if self.tally and self._is_published:
            shown.append(found.get(kind=Kind.TALLY, subject=self.tally.pk))
        for leaf in shown:
            yield _line(ids.place_of_leaf(leaf.pk), self._opening_of(leaf))

    def _opening_of(self, leaf: LogLeaf) -> Opening:
        if leaf.kind == Kind.START:
            agenda = hashlib.sha256(self.started.agenda).digest()
            return start_opening(self.started, agenda)
        if leaf.kind == Kind.CLOSE:
            return close_opening(self.started)
        if leaf.kind == Kind.KEY:
            return keys.key_opening(self.started, leaf.subject)
        return tallies.salt_and_record(Tally.objects.get(pk=leaf.subject))

    def _leaves(self) -> Iterator[list[LogLeaf]]:
        found = LogLeaf.objects.of_meeting(self.meeting.pk).order_by("id")
        leaves = found.defer("roots").iterator(BATCH)
        while batch := list(islice(leaves, BATCH)):
            yield batch


def _line(place: int, opening: Opening) -> bytes:
    salt, record = opening
    return b"%d\t%s\t%s\n" % (place, salt.hex().encode(), record[:-1].replace(b"\n", b"\t"))

"""Checkpoints for people: which one may be shown, its note, its root as it is printed.

Before the polls are sealed only the first one is shown, which binds the register: a later size
would tell how many have voted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from ballots.log import keys, notes
from ballots.log.growing import checkpoint_text
from ballots.log.models import Checkpoint, Cosignature, MeetingLog
from ballots.log.notes import NoteKey
from meetings import journal
from voting_portal.common import ids
from voting_portal.common.refusals import Refusal

GROUP = 8  # hexadecimal digits that are printed together


class CannotShow(Refusal):
    """Nothing of the log may be handed out; `message` says why."""

    message = _("投票截止之前，选票日志不对任何人开放。")


class NotLogged(CannotShow):
    message = _("选票日志还没有记到投票截止，请稍后再试。")


class AlreadyCosigned(CannotShow):
    message = _("该签名人已经签过这个检查点。")


@dataclass(frozen=True)
class Signed:
    """A checkpoint with all signatures under it: `note` as it is handed out."""

    size: int
    root: bytes
    text: str
    note: str
    key: NoteKey  # of the log; where one handed over to the next, the next one

    @property
    def groups(self) -> list[str]:
        """The root as it is printed: eight groups of eight hexadecimal digits."""
        digits = self.root.hex()
        return [digits[at : at + GROUP] for at in range(0, len(digits), GROUP)]

    @property
    def digest(self) -> bytes:
        """The hash of the checkpoint, which a time stamp covers."""
        return hashlib.sha256(self.text.encode()).digest()


def first_checkpoint(started: MeetingLog) -> Signed:
    """The one that binds the register and the agenda; anybody may see it at any time."""
    return _signed(started, Checkpoint.objects.get(pk=ids.leaf_id(started.pk, 0)))


def last_checkpoint(meeting_id: int) -> Signed:
    """The newest one of a meeting whose close is logged; CannotShow before that."""
    started = MeetingLog.objects.filter(pk=meeting_id).defer("agenda").first()
    if started is None or started.closed_size is None:
        raise NotLogged
    return _signed(started, Checkpoint.objects.of_meeting(meeting_id).latest("id"))


def cosigner_keys(meeting_id: int) -> list[NoteKey]:
    """The keys of the scrutineers who signed a checkpoint of this meeting."""
    rows = Cosignature.objects.filter(meeting=meeting_id).order_by("id")
    keys = (NoteKey(row.name, bytes(row.public), notes.COSIGNER_KEY) for row in rows)
    return list(dict.fromkeys(keys))


@transaction.atomic
def cosign(
    meeting_id: int, *, name: str, private: Ed25519PrivateKey, by: str, now: datetime
) -> Signed:
    """Put a scrutineer's signature under the newest checkpoint of a closed meeting.

    CannotShow before the close is logged, AlreadyCosigned for a second one of the same name.
    """
    checkpoint = last_checkpoint(meeting_id)
    public = private.public_key().public_bytes_raw()
    signature = notes.cosign(checkpoint.text, private=private, time=int(now.timestamp()))
    try:
        with transaction.atomic():
            Cosignature.objects.create(
                meeting_id=meeting_id,
                size=checkpoint.size,
                name=name,
                public=public,
                signature=signature,
                signed_at=now,
            )
    except IntegrityError:
        raise AlreadyCosigned from None
    journal.record(meeting_id, "log.cosigned", by=by, at=now, name=name, size=checkpoint.size)
    return last_checkpoint(meeting_id)


def note_of(
    origin: str,
    checkpoint: Checkpoint,
    cosignatures: Sequence[Cosignature],
    known: Mapping[int, NoteKey],
) -> str:
    """The signed note of a checkpoint, with the cosignatures under it; `known` are all log keys."""
    text = checkpoint_text(origin, checkpoint.size, bytes(checkpoint.root))
    lines = [notes.signature_line(known[checkpoint.key], bytes(checkpoint.signature))]
    if checkpoint.next_key is not None:
        signature = bytes(checkpoint.next_signature or b"")
        lines.append(notes.signature_line(known[checkpoint.next_key], signature))
    for row in cosignatures:
        key = NoteKey(row.name, bytes(row.public), notes.COSIGNER_KEY)
        lines.append(notes.signature_line(key, bytes(row.signature)))
    return text + "\n" + "".join(lines)


def timestamp_query(checkpoint: Signed) -> bytes:
    """A query for a time stamp of the checkpoint's hash (RFC 3161 2.4.1, DER), with certificate."""
    sha256 = bytes.fromhex("300d06096086480165030402010500")
    imprint = _der(0x30, sha256 + _der(0x04, checkpoint.digest))
    version, wants_certificate = _der(0x02, b"\x01"), _der(0x01, b"\xff")
    return _der(0x30, version + imprint + wants_certificate)


def _der(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content  # never longer than 127 bytes here


def _signed(started: MeetingLog, checkpoint: Checkpoint) -> Signed:
    rows = Cosignature.objects.filter(meeting=started.pk, size=checkpoint.size).order_by("id")
    root, known = bytes(checkpoint.root), keys.all_keys()
    return Signed(
        size=checkpoint.size,
        root=root,
        text=checkpoint_text(started.origin, checkpoint.size, root),
        note=note_of(started.origin, checkpoint, list(rows), known),
        key=known[checkpoint.next_key or checkpoint.key],
    )

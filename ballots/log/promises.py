"""What a holder keeps: a signed promise at once, and after the close the proof that it was kept."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from ballots.log import notes, proofs, tree
from ballots.log.ballots import origin_of, salt_and_record
from ballots.log.checkpoints import NotLogged, Signed, last_checkpoint
from ballots.log.commitment import CODE_BYTES, Kind, prefix_of
from ballots.log.keys import signer_of
from ballots.log.models import LogLeaf
from ballots.log.notes import NoteKey
from ballots.log.records import time
from ballots.log.sequencer import PROMISED_SECONDS
from ballots.models import Ballot
from meetings.agenda import Agenda
from voting_portal.common import ids


@dataclass(frozen=True)
class Kept:
    """A promise that was kept: the ballot's place in the log and the checkpoint that covers it."""

    place: int
    checkpoint: Signed


def promise_of(ballot: Ballot) -> str:
    """The signed note about a ballot; it says nothing of what was voted."""
    meeting_id = ids.meeting_of(ballot.holder_id)
    text = (
        f"{origin_of(meeting_id)}\n"
        "ballot-log/v1 promise\n"
        f"commitment {bytes(ballot.commitment).hex()}\n"
        f"cast {time(ballot.cast_at)}\n"
        f"logged within {PROMISED_SECONDS} seconds\n"
    )
    signer = signer_of(meeting_id)
    signature = signer.private.sign(text.encode())
    return text + "\n" + notes.signature_line(NoteKey(signer.name, signer.public), signature)


def kept(ballot: Ballot) -> Kept | None:
    """Where a ballot stands in the log of a closed meeting; None before the close is logged."""
    meeting_id = ids.meeting_of(ballot.holder_id)
    try:
        checkpoint = last_checkpoint(meeting_id)
    except NotLogged:
        return None
    leaves = LogLeaf.objects.of_meeting(meeting_id)
    leaf = leaves.filter(commitment=ballot.commitment, kind=Kind.BALLOT).order_by("id").first()
    return Kept(ids.place_of_leaf(leaf.pk), checkpoint) if leaf else None


def proof_of(ballot: Ballot, agenda: Agenda) -> str:
    """The file that opens a ballot and proves that it is in the log (C2SP tlog-proof).

    NotLogged before the close is logged.
    """
    found = kept(ballot)
    if found is None:
        raise NotLogged
    size = found.checkpoint.size
    hashes = proofs.prove_inclusion(agenda.meeting_id, found.place, size)
    opening = b"".join(salt_and_record(ballot, agenda))
    return (
        "c2sp.org/tlog-proof@v1\n"
        f"extra {base64.b64encode(opening).decode()}\n"
        f"index {found.place}\n"
        + "".join(f"{tree.as_base64(hashed)}\n" for hashed in hashes)
        + f"\n{found.checkpoint.note}"
    )


def is_logged(meeting_id: int, code: str) -> bool | None:
    """Whether the ballot of a confirmation code is in a meeting's log; None for what is no code.

    It tells nothing else, at any time: neither where it stands nor how many there are.
    """
    prefix = prefix_of(code)
    if prefix is None:
        return None
    after = (int.from_bytes(prefix) + 1).to_bytes(CODE_BYTES + 1).removeprefix(b"\0")
    leaves = LogLeaf.objects.of_meeting(meeting_id).filter(kind=Kind.BALLOT)
    return leaves.filter(commitment__gte=prefix, commitment__lt=after).exists()

"""A meeting's log as it grows: leaves and signed checkpoints, written together or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import connection

from ballots.log import keys, tree
from ballots.log.commitment import Kind, commit, entry
from ballots.log.models import Checkpoint, MeetingLog
from ballots.log.tree import Tree
from meetings.log_keys import log_signer
from meetings.models import LogKey
from voting_portal.common import ids

# Every so many leaves the roots of the perfect subtrees that end there are kept (models.LogLeaf).
TILE = 256
TILE_HEIGHT = 8
COPY_LEAVES = "COPY ballots_logleaf (id, kind, subject, commitment, roots) FROM STDIN"


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The three lines that a checkpoint signs."""
    return f"{origin}\n{size}\n{tree.as_base64(root)}\n"


@dataclass
class Growth:
    """What a batch adds to one log; nothing is in the database before `written`.

    It is signed by the key that the log is at; `hand_over` brings it to a newer one.
    """

    log: MeetingLog
    leaves: list[tuple[int, int, int, bytes, bytes | None]] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tree = Tree.unpacked(self.log.size, bytes(self.log.frontier))
        self.signer = log_signer(self.log.key)

    def add(self, kind: Kind, subject: int, commitment: bytes) -> None:
        """Append a leaf, which `docs/ballot-log.md` must allow there."""
        if (kind == Kind.BALLOT) != (self.log.closed_size is None) and kind != Kind.START:
            raise RuntimeError(f"{self.log.origin}: no leaf of kind {kind.name} may stand here")
        self._append(kind, subject, commitment)
        self.log.ballots += kind == Kind.BALLOT

    def close(self, commitment: bytes) -> None:
        """Append the close (截止) and sign: from here on no ballot is added."""
        self._append(Kind.CLOSE, self.log.meeting_id, commitment)
        self.log.closed_size = self.tree.size
        self.sign()

    def hand_over(self, newest: LogKey) -> None:
        """Append that the newest key signs from here on; both sign the checkpoint that says so.

        Nothing when the log is at that key.
        """
        old = self.log.key
        if old == newest.number:
            return
        opening = keys.key_opening(self.log, keys.subject_of(old, newest.number))
        self._append(Kind.KEY, keys.subject_of(old, newest.number), commit(*opening))
        self.sign()
        self.log.key, self.signer = newest.number, log_signer(newest.number)
        both = self.checkpoints[-1]
        both.next_key, both.next_signature = newest.number, self._signature(bytes(both.root))

    def sign(self) -> None:
        """Sign the log as it stands, unless that is done."""
        leaf = ids.leaf_id(self.log.meeting_id, self.tree.size - 1)
        if self.checkpoints and self.checkpoints[-1].pk == leaf:
            return
        root = self.tree.root()
        signed = {"key": self.signer.number, "signature": self._signature(root)}
        self.checkpoints.append(Checkpoint(id=leaf, root=root, **signed))

    def write(self) -> None:
        """Put leaves, checkpoints and the tree's new state in the books; needs a transaction."""
        with connection.cursor() as cursor, cursor.copy(COPY_LEAVES) as copy:
            for leaf in self.leaves:
                copy.write_row(leaf)
        Checkpoint.objects.bulk_create(self.checkpoints)
        self.log.size, self.log.frontier = self.tree.size, self.tree.packed()
        self.log.save(update_fields=["size", "frontier", "ballots", "closed_size", "key"])

    def _signature(self, root: bytes) -> bytes:
        text = checkpoint_text(self.log.origin, self.tree.size, root)
        return self.signer.private.sign(text.encode())

    def _append(self, kind: Kind, subject: int, commitment: bytes) -> None:
        leaf = ids.leaf_id(self.log.meeting_id, self.tree.size)
        ended = self.tree.append(tree.leaf_hash(entry(kind, commitment)))
        roots = b"".join(ended[TILE_HEIGHT::TILE_HEIGHT]) or None
        self.leaves.append((leaf, kind.value, subject, commitment, roots))

"""A meeting's log as it grows: leaves and signed checkpoints, written together or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import connection

from ballots.log import tree
from ballots.log.commitment import Kind, entry
from ballots.log.models import Checkpoint, MeetingLog
from ballots.log.tree import Tree
from meetings.keys import LogSigner
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
    """What a batch adds to one log; nothing is in the database before `written`."""

    log: MeetingLog
    signer: LogSigner
    leaves: list[tuple[int, int, int, bytes, bytes | None]] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tree = Tree.unpacked(self.log.size, bytes(self.log.frontier))

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

    def sign(self) -> None:
        """Sign the log as it stands, unless that is done."""
        size, root = self.tree.size, self.tree.root()
        leaf = ids.leaf_id(self.log.meeting_id, size - 1)
        if self.checkpoints and self.checkpoints[-1].pk == leaf:
            return
        text = checkpoint_text(self.log.origin, size, root)
        signature = self.signer.private.sign(text.encode())
        self.checkpoints.append(Checkpoint(id=leaf, root=root, signature=signature))

    def write(self) -> None:
        """Put leaves, checkpoints and the tree's new state in the books; needs a transaction."""
        with connection.cursor() as cursor, cursor.copy(COPY_LEAVES) as copy:
            for leaf in self.leaves:
                copy.write_row(leaf)
        Checkpoint.objects.bulk_create(self.checkpoints)
        self.log.size, self.log.frontier = self.tree.size, self.tree.packed()
        self.log.save(update_fields=["size", "frontier", "ballots", "closed_size"])

    def _append(self, kind: Kind, subject: int, commitment: bytes) -> None:
        leaf = ids.leaf_id(self.log.meeting_id, self.tree.size)
        ended = self.tree.append(tree.leaf_hash(entry(kind, commitment)))
        roots = b"".join(ended[TILE_HEIGHT::TILE_HEIGHT]) or None
        self.leaves.append((leaf, kind.value, subject, commitment, roots))

"""Proofs from the books: that a leaf is in a tree, and that one tree grew into another.

Hashes of whole tiles are kept (growing.py), so a proof reads a few hundred rows at most, whatever
the size of the tree.
"""

from __future__ import annotations

import functools

from ballots.log import tree
from ballots.log.commitment import entry
from ballots.log.growing import TILE
from ballots.log.models import LogLeaf
from voting_portal.common import ids


def prove_inclusion(meeting_id: int, place: int, size: int) -> list[bytes]:
    """The hashes from the leaf at a place to the root of the first `size` leaves."""
    return tree.inclusion_proof(place, size, _Roots(meeting_id))


def prove_consistency(meeting_id: int, earlier: int, later: int) -> list[bytes]:
    """The hashes that show that the log of `earlier` leaves is the beginning of the later one."""
    return tree.consistency_proof(earlier, later, _Roots(meeting_id))


def root_of(meeting_id: int, size: int) -> bytes:
    """The root of the first `size` leaves, computed from the books."""
    return _Roots(meeting_id)(0, size) if size else tree.EMPTY_ROOT


class _Roots:
    """Roots of ranges of leaves that are subtrees of the log; each tile is read once."""

    def __init__(self, meeting_id: int) -> None:
        self.meeting_id = meeting_id
        self._tile = functools.cache(self._read_tile)

    def __call__(self, start: int, end: int) -> bytes:
        """The root of the leaves from `start` to `end`, which are a subtree of the log.

        So `start` is a multiple of every power of 256 that is not above their number. Whole tiles
        are taken from the highest level that has one; what is left over, from those below.
        """
        unit, level = 1, 0
        while unit * TILE <= end - start:
            unit, level = unit * TILE, level + 1
        whole = tree.Tree()
        for place in range(start // unit, end // unit):
            whole.append(self._hash(level, place))
        if not end % unit:
            return whole.root()
        root = self(end - end % unit, end)
        for left in reversed(whole.frontier):
            root = tree.node_hash(left, root)
        return root

    def _hash(self, level: int, place: int) -> bytes:
        tile, within = divmod(place, TILE)
        return self._tile(level, tile)[within]

    def _read_tile(self, level: int, tile: int) -> list[bytes]:
        """The hashes of up to 256 neighbours: leaves, or roots of 2^8, 2^16, ... leaves each."""
        unit, leaves = TILE**level, LogLeaf.objects.order_by("id")
        first = ids.leaf_id(self.meeting_id, tile * TILE * unit)
        if level == 0:
            rows = leaves.filter(id__gte=first, id__lt=first + TILE)
            return [
                tree.leaf_hash(entry(kind, bytes(commitment)))
                for kind, commitment in rows.values_list("kind", "commitment")
            ]
        ends = [first + unit * number - 1 for number in range(1, TILE + 1)]
        kept = leaves.filter(id__in=ends).values_list("roots", flat=True)
        at = (level - 1) * tree.HASH_BYTES
        return [bytes(roots or b"")[at : at + tree.HASH_BYTES] for roots in kept]

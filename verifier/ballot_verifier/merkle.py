"""The tree over the log's leaves: hashes and proofs of RFC 9162, section 2.1.

A leaf is hashed behind a byte 0, a node behind a byte 1, so neither can be taken for the other; an
odd node at the end of a row moves up as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

HASH_SIZE = 32  # bytes
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry of the log."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows leaf by leaf and keeps only its complete subtrees: a hash a level."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []  # of 2^k leaves each, the largest first

    def append(self, leaf: bytes) -> None:
        """Add one leaf by its hash."""
        size = self.size
        while size & 1:
            leaf = hashlib.sha256(b"\x01" + self._subtrees.pop() + leaf).digest()
            size >>= 1
        self._subtrees.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._subtrees:
            return EMPTY_ROOT
        root = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            root = node_hash(subtree, root)
        return root


def roots_at(leaves: Iterable[bytes], sizes: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """The root at each of these sizes, in one pass; sizes ascend, those past the end are left out.

    `leaves` are hashes of leaves. Comparing these roots with signed ones is what a consistency
    proof between every two of them would say, and more.
    """
    tree, wanted = Tree(), iter(sizes)
    size = next(wanted, None)
    while size == 0:
        yield 0, tree.root()
        size = next(wanted, None)
    for leaf in leaves:
        tree.append(leaf)
        while size == tree.size:
            yield size, tree.root()
            size = next(wanted, None)


def is_included(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows this leaf's hash at this index of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(
    *, size: int, root: bytes, later_size: int, later_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows that the later tree begins with the earlier (RFC 9162, 2.1.4.2)."""
    if not 0 <= size <= later_size:
        return False
    if size in {0, later_size}:
        same = root == (EMPTY_ROOT if size == 0 else later_root)
        return same and not proof
    path = list(proof)
    if size & (size - 1) == 0:
        path.insert(0, root)
    if not path:
        return False
    place, last = size - 1, later_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    earlier = later = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            earlier, later = node_hash(sibling, earlier), node_hash(sibling, later)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            later = node_hash(later, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and earlier == root and later == later_root

"""The Merkle tree of RFC 9162 section 2.1: hashes, growing by a leaf, proofs and their checks.

A tree that grows is known by its frontier: the roots of the perfect subtrees that it consists of,
largest first, one for each bit of its size. Appending needs nothing else, whatever the size.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def as_base64(hashed: bytes) -> str:
    """A hash as notes and proofs write it."""
    return base64.b64encode(hashed).decode()


class Tree:
    """A tree that grows, by its size in leaves and its frontier."""

    def __init__(self, size: int = 0, frontier: Sequence[bytes] = ()) -> None:
        if len(frontier) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} perfect subtrees")
        self.size = size
        self.frontier = list(frontier)

    @classmethod
    def unpacked(cls, size: int, frontier: bytes) -> Tree:
        """The tree that `packed` was asked of."""
        starts = range(0, len(frontier), HASH_BYTES)
        return cls(size, [frontier[at : at + HASH_BYTES] for at in starts])

    def packed(self) -> bytes:
        return b"".join(self.frontier)

    def append(self, leaf: bytes) -> list[bytes]:
        """Add a leaf's hash; the roots of the perfect subtrees that it ends, smallest first.

        The first is the leaf itself, the one at place n covers 2^n leaves.
        """
        sha256, frontier = hashlib.sha256, self.frontier
        ended = [leaf]
        size = self.size
        while size & 1:
            leaf = sha256(b"\x01" + frontier.pop() + leaf).digest()
            ended.append(leaf)
            size >>= 1
        frontier.append(leaf)
        self.size += 1
        return ended

    def root(self) -> bytes:
        if not self.frontier:
            return EMPTY_ROOT
        root = self.frontier[-1]
        for left in reversed(self.frontier[:-1]):
            root = node_hash(left, root)
        return root


# The root of the leaves from `start` to `end` (exclusive).
Roots = Callable[[int, int], bytes]


def inclusion_proof(index: int, size: int, roots: Roots) -> list[bytes]:
    """The hashes that lead from a leaf to the root of `size` leaves, from the leaf upwards."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} among {size}")
    return _path(index, 0, size, roots)


def _path(index: int, start: int, end: int, roots: Roots) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(index, start, middle, roots), roots(middle, end)]
    return [*_path(index, middle, end, roots), roots(start, middle)]


def consistency_proof(earlier: int, later: int, roots: Roots) -> list[bytes]:
    """The hashes that show that the first `earlier` leaves of `later` are what they were."""
    if not 0 < earlier <= later:
        raise ValueError(f"no tree of {earlier} leaves comes before one of {later}")
    return _subproof(earlier, 0, later, roots, is_known=True)


def _subproof(earlier: int, start: int, end: int, roots: Roots, *, is_known: bool) -> list[bytes]:
    if earlier == end:
        return [] if is_known else [roots(start, end)]
    middle = start + _split(end - start)
    if earlier <= middle:
        return [
            *_subproof(earlier, start, middle, roots, is_known=is_known),
            roots(middle, end),
        ]
    return [*_subproof(earlier, middle, end, roots, is_known=False), roots(start, middle)]


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: Iterable[bytes]) -> bytes | None:
    """The root to which a proof leads (RFC 9162 2.1.3.2); None when it fits no such tree."""
    if not 0 <= index < size:
        return None
    at, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if at & 1 or at == last:
            root = node_hash(sibling, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        at, last = at >> 1, last >> 1
    return root if last == 0 else None


def is_consistent(
    earlier: int, earlier_root: bytes, later: int, later_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether a proof shows that one tree grew into the other (RFC 9162 2.1.4.2)."""
    if not 0 < earlier <= later:
        return False
    if earlier == later:
        return not proof and earlier_root == later_root
    hashes = [earlier_root, *proof] if earlier.bit_count() == 1 else list(proof)
    if not hashes:
        return False
    at, last = earlier - 1, later - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and first == earlier_root and second == later_root


def _split(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << ((size - 1).bit_length() - 1)

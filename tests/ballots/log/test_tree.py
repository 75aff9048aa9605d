"""The tree against the reference vectors of certificate transparency, and its proofs everywhere."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballots.log import tree

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        *("", "00", "10", "2021", "3031", "40414243"),
        *("5051525354555657", "606162636465666768696a6b6c6d6e6f"),
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
SECOND = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
THIRD_AND_FOURTH = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
LAST_FOUR = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
FIFTH = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
LAST_TWO = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
FIFTH_AND_SIXTH = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSIONS = {
    (0, 1): (),
    (0, 8): (SECOND, THIRD_AND_FOURTH, LAST_FOUR),
    (5, 8): (FIFTH, LAST_TWO, ROOTS[3]),
    (2, 3): (ROOTS[1],),
    (1, 5): (ROOTS[0], THIRD_AND_FOURTH, FIFTH),
}
CONSISTENCIES = {
    (1, 1): (),
    (1, 8): (SECOND, THIRD_AND_FOURTH, LAST_FOUR),
    (6, 8): (FIFTH_AND_SIXTH, LAST_TWO, ROOTS[3]),
    (2, 5): (THIRD_AND_FOURTH, FIFTH),
}


def grown(leaves):
    growing = tree.Tree()
    for leaf in leaves:
        growing.append(tree.leaf_hash(leaf))
    return growing


def roots_of(leaves):
    return lambda start, end: grown(leaves[start:end]).root()


def many(number):
    return [hashlib.sha256(bytes([n])).digest() for n in range(number)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference(size):
    assert grown(LEAVES[:size]).root().hex() == ROOTS[size - 1]


def test_the_empty_tree_is_the_hash_of_nothing():
    assert tree.Tree().root() == hashlib.sha256(b"").digest()


@pytest.mark.parametrize(("place", "size"), INCLUSIONS)
def test_inclusion_proofs_are_those_of_the_reference(place, size):
    proof = tree.inclusion_proof(place, size, roots_of(LEAVES))

    assert tuple(hashed.hex() for hashed in proof) == INCLUSIONS[place, size]


@pytest.mark.parametrize(("earlier", "later"), CONSISTENCIES)
def test_consistency_proofs_are_those_of_the_reference(earlier, later):
    proof = tree.consistency_proof(earlier, later, roots_of(LEAVES))

    assert tuple(hashed.hex() for hashed in proof) == CONSISTENCIES[earlier, later]


@pytest.mark.parametrize("size", range(1, 40))
def test_every_leaf_of_every_small_tree_is_proven_and_no_other(size):
    leaves = many(size)
    root = grown(leaves).root()

    for place in range(size):
        proof = tree.inclusion_proof(place, size, roots_of(leaves))
        own, other = (tree.leaf_hash(leaves[n]) for n in (place, (place + 1) % size))
        assert tree.root_by_inclusion(own, place, size, proof) == root
        assert tree.root_by_inclusion(own, place, size, [*proof, root]) is None
        assert not proof or tree.root_by_inclusion(own, place, size, proof[:-1]) != root
        assert size == 1 or tree.root_by_inclusion(other, place, size, proof) != root


@pytest.mark.parametrize("later", range(1, 40))
def test_every_tree_grows_into_every_larger_one_and_no_other(later):
    leaves = many(later)
    root = grown(leaves).root()

    for earlier in range(1, later + 1):
        before = grown(leaves[:earlier]).root()
        proof = tree.consistency_proof(earlier, later, roots_of(leaves))
        assert tree.is_consistent(earlier, before, later, root, proof)
        assert not tree.is_consistent(earlier, bytes(32), later, root, proof)
        assert not tree.is_consistent(earlier, before, later, bytes(32), proof)
        assert not tree.is_consistent(earlier, before, later, root, [*proof, root])


@given(st.integers(0, 300))
def test_a_tree_is_known_by_its_frontier(size):
    leaves = [number.to_bytes(2) for number in range(size)]
    whole = grown(leaves)

    half = grown(leaves[: size // 2])
    going_on = tree.Tree.unpacked(half.size, half.packed())
    for leaf in leaves[size // 2 :]:
        going_on.append(tree.leaf_hash(leaf))

    assert (going_on.size, going_on.root()) == (whole.size, whole.root())


def test_a_frontier_of_another_size_is_refused():
    with pytest.raises(ValueError, match="3 leaves"):
        tree.Tree.unpacked(3, bytes(32))


@pytest.mark.parametrize(("place", "size"), [(1, 1), (-1, 4), (0, 0)])
def test_what_is_not_in_the_tree_has_no_proof(place, size):
    with pytest.raises(ValueError, match="no leaf"):
        tree.inclusion_proof(place, size, roots_of(LEAVES))

    assert tree.root_by_inclusion(bytes(32), place, size, []) is None

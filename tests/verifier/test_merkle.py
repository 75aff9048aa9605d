"""The tree against the vectors of Certificate Transparency, and against its definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballot_verifier import merkle
from tests.verifier import writer

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
G = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
H = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
I = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"  # noqa: E741
J = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
INCLUSIONS = [(0, 1, ()), (0, 8, (A, B, C)), (5, 8, (D, E, F)), (2, 3, (G,)), (1, 5, (H, B, D))]
CONSISTENCIES = [
    (1, 1, ()),
    (1, 8, (A, B, C)),
    (6, 8, (I, E, F)),
    (2, 5, (B, D)),
    (6, 7, (I, J, F)),
]
SOME_HASH = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")


def hashes(texts):
    return [bytes.fromhex(text) for text in texts]


def flipped(proof, place):
    changed = bytes([proof[place][0] ^ 8]) + proof[place][1:]
    return [*proof[:place], changed, *proof[place + 1 :]]


def test_roots_are_those_of_the_reference():
    leaves = [merkle.leaf_hash(entry) for entry in ENTRIES]

    found = dict(merkle.roots_at(leaves, range(9)))

    assert found == {0: merkle.EMPTY_ROOT} | dict(enumerate(ROOTS, start=1))


@pytest.mark.parametrize(("index", "size", "texts"), INCLUSIONS)
def test_reference_inclusion_proofs_hold_and_nothing_near_them_does(index, size, texts):
    leaf, root, proof = merkle.leaf_hash(ENTRIES[index]), ROOTS[size - 1], hashes(texts)

    def holds(*, leaf=leaf, index=index, size=size, proof=proof, root=root):
        return merkle.is_included(leaf=leaf, index=index, size=size, proof=proof, root=root)

    assert holds()
    assert not any(holds(index=wrong) for wrong in (index - 1, index + 1, index ^ 2))
    assert not any(holds(size=wrong) for wrong in (size * 2, size // 2) if wrong != size)
    assert not holds(leaf=b"WrongLeaf")
    assert not any(holds(root=wrong) for wrong in (merkle.EMPTY_ROOT, SOME_HASH))
    assert not any(holds(proof=[*proof, more]) for more in (b"", root))
    assert not any(holds(proof=[more, *proof]) for more in (b"", root))
    assert not any(holds(proof=flipped(proof, place)) for place in range(len(proof)))
    assert not proof or not holds(proof=proof[:-1])
    assert len(proof) < 2 or not holds(proof=[proof[0], SOME_HASH, *proof[1:]])


@pytest.mark.parametrize(("size", "later", "texts"), CONSISTENCIES)
def test_reference_consistency_proofs_hold_and_nothing_near_them_does(size, later, texts):
    first, second, proof = ROOTS[size - 1], ROOTS[later - 1], hashes(texts)

    def holds(*, size=size, later=later, root=first, later_root=second, proof=proof):
        return merkle.is_consistent(
            size=size, root=root, later_size=later, later_root=later_root, proof=proof
        )

    assert holds()
    if not proof:
        return
    assert not any(holds(size=wrong) for wrong in (size - 1, size + 1, size ^ 2) if wrong)
    assert not any(holds(later=wrong) for wrong in (later * 2, later // 2))
    assert not holds(root=b"WrongRoot")
    assert not holds(later_root=b"WrongRoot")
    assert not holds(root=second, later_root=first)
    assert not holds(proof=[])
    assert not holds(proof=proof[:-1])
    assert not any(holds(proof=[*proof, more]) for more in (b"", first, second))
    assert not any(holds(proof=[more, *proof]) for more in (b"", first, second, proof[0]))
    assert not any(holds(proof=flipped(proof, place)) for place in range(len(proof)))


@pytest.mark.parametrize("probe", [(0, 0), (0, 1), (1, 0), (2, 1)])
def test_nothing_is_in_an_empty_or_smaller_tree(probe):
    index, size = probe

    for leaf, root in ((SOME_HASH, b""), (b"", merkle.EMPTY_ROOT), (SOME_HASH, merkle.EMPTY_ROOT)):
        assert not merkle.is_included(leaf=leaf, index=index, size=size, proof=[], root=root)


def test_an_empty_tree_comes_before_every_other_and_a_larger_one_before_none():
    def holds(size, later_size, root, later_root, proof=()):
        return merkle.is_consistent(
            size=size, root=root, later_size=later_size, later_root=later_root, proof=proof
        )

    assert holds(0, 0, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT)
    assert holds(0, 5, merkle.EMPTY_ROOT, ROOTS[4])
    assert not holds(0, 5, merkle.EMPTY_ROOT, ROOTS[4], [SOME_HASH])
    assert not holds(0, 5, SOME_HASH, ROOTS[4])
    assert not holds(2, 1, ROOTS[1], ROOTS[0])
    assert not holds(1, 2, ROOTS[0], ROOTS[1])


@given(st.integers(1, 70), st.data())
def test_every_leaf_of_every_tree_is_proven_and_its_neighbour_is_not(size, data):
    index = data.draw(st.integers(0, size - 1))
    leaves = [hashlib.sha256(bytes([number])).digest() for number in range(size)]
    root, proof = writer.root_of(leaves), writer.path_to(index, leaves)

    def holds(place):
        return merkle.is_included(
            leaf=leaves[index], index=place, size=size, proof=proof, root=root
        )

    assert [place for place in range(size) if holds(place)] == [index]
    assert dict(merkle.roots_at(leaves, [size])) == {size: root}

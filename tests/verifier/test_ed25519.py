"""Signatures against the vectors of RFC 8032, another implementation, and what must be refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ballot_verifier import ed25519

# RFC 8032, section 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
            "f9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
            "f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
            "4dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3"
            "feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c664"
            "31e0303dca179c138ac17ad9bef1177331a704"
        ),
    ),
]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
NEUTRAL, OF_ORDER_4 = (1).to_bytes(32, "little"), bytes(32)


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_vectors_of_the_rfc_hold_and_fail_with_a_bit_changed(key, message, signature):
    values = [bytes.fromhex(text) for text in (message, signature, key)]

    def holds(message, signature, key):
        return ed25519.is_signed(message=message, signature=signature, public_key=key)

    assert holds(*values)
    for place in range(3):
        changed = list(values)
        changed[place] = bytes([(changed[place] or b"\0")[0] ^ 1]) + changed[place][1:]
        assert not holds(*changed)


@given(st.binary(max_size=200), st.integers(0, 511))
def test_what_another_implementation_signs_is_signed_and_no_bit_of_it_may_change(message, bit):
    signature = KEY.sign(message)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8

    assert ed25519.is_signed(message=message, signature=signature, public_key=PUBLIC)
    assert not ed25519.is_signed(message=message, signature=bytes(changed), public_key=PUBLIC)


def test_the_same_signature_written_in_another_way_is_refused():
    signature = KEY.sign(b"vote")
    factor = int.from_bytes(signature[32:], "little") + ed25519.ORDER

    malleable = signature[:32] + factor.to_bytes(32, "little")

    assert not ed25519.is_signed(message=b"vote", signature=malleable, public_key=PUBLIC)


@pytest.mark.parametrize("key", [NEUTRAL, OF_ORDER_4, ed25519.P.to_bytes(32, "little")])
def test_a_key_that_would_sign_anything_signs_nothing(key):
    signature = NEUTRAL + bytes(32)  # right for every message under the neutral key

    assert not ed25519.is_signed(message=b"anything", signature=signature, public_key=key)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_what_is_no_key_signs_nothing(length):
    assert not ed25519.is_signed(message=b"", signature=KEY.sign(b""), public_key=b"\2" * length)
    assert not ed25519.is_signed(message=b"", signature=b"\2" * length, public_key=PUBLIC)

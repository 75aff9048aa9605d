"""Sealed records open only under their key, for their row, unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voting_portal.common import sealing

KEY, OTHER = sealing.new_key(), sealing.new_key()


@pytest.mark.parametrize("algorithm", sealing.ALGORITHMS)
@given(plain=st.binary(max_size=200))
def test_what_was_sealed_opens(algorithm, plain):
    sealed = sealing.seal(KEY, plain, context=b"row 1", algorithm=algorithm)

    assert sealing.open_sealed(KEY, sealed, context=b"row 1") == plain
    assert sealed[0] == sealing.ALGORITHMS[algorithm]


@pytest.mark.parametrize("algorithm", sealing.ALGORITHMS)
def test_another_key_another_row_or_a_changed_byte_does_not_open(algorithm):
    sealed = sealing.seal(KEY, b"secret", context=b"row 1", algorithm=algorithm)
    changed = [
        sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))
    ]

    attempts = [(OTHER, sealed, b"row 1"), (KEY, sealed, b"row 2"), (KEY, b"", b"row 1")]
    attempts += [(KEY, forged, b"row 1") for forged in changed]
    for key, record, context in attempts:
        with pytest.raises(sealing.CannotOpen):
            sealing.open_sealed(key, record, context=context)


def test_sealing_twice_never_gives_the_same_bytes():
    sealed = {sealing.seal(KEY, b"secret", context=b"") for _ in range(1_000)}

    assert len(sealed) == 1_000

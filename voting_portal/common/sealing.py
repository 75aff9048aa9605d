"""Personal data at rest: sealed records and blind indexes.

A sealed record is `algorithm (1 byte) | nonce (12 bytes) | ciphertext and tag`. The context
(purpose and id of the row) is authenticated with it, so a record moved to another row does not
open. Nonces are random: at 2^32 records a key the chance of a repeat stays below 2^-32, and keys
are per meeting.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
BLIND_INDEX_BYTES = 16
ALGORITHMS = {"AES-256-GCM": 1, "SM4-GCM": 2}


class CannotOpen(Exception):
    """The record is not what was sealed under this key for this row."""


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, plain: bytes, *, context: bytes, algorithm: str = "AES-256-GCM") -> bytes:
    """Seal bytes under a 32-byte key; `context` must be given again to open them."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    if algorithm == "AES-256-GCM":
        return b"\x01" + nonce + AESGCM(key).encrypt(nonce, plain, context)
    if algorithm == "SM4-GCM":
        encryptor = Cipher(algorithms.SM4(_sm4_key(key)), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(context)
        body = encryptor.update(plain) + encryptor.finalize()
        return b"\x02" + nonce + body + encryptor.tag
    raise ValueError(f"unknown algorithm {algorithm!r}")


def sealer(key: bytes, *, algorithm: str = "AES-256-GCM") -> Callable[[bytes, bytes], bytes]:
    """`seal` for many records under one key: a function of plain bytes and context."""
    if algorithm != "AES-256-GCM":
        return lambda plain, context: seal(key, plain, context=context, algorithm=algorithm)
    encrypt, nonces = AESGCM(key).encrypt, _nonces()

    def seal_one(plain: bytes, context: bytes) -> bytes:
        nonce = next(nonces)
        return b"\x01" + nonce + encrypt(nonce, plain, context)

    return seal_one


def _nonces() -> Iterator[bytes]:
    """Random nonces, many at a call of the operating system."""
    while True:
        drawn = secrets.token_bytes(NONCE_BYTES * 1_000)
        for at in range(0, len(drawn), NONCE_BYTES):
            yield drawn[at : at + NONCE_BYTES]


def open_sealed(key: bytes, sealed: bytes, *, context: bytes) -> bytes:
    """The bytes that `seal` took; CannotOpen for another key, another context or changed bytes."""
    return opener(key)(sealed, context)


def opener(key: bytes) -> Callable[[bytes, bytes], bytes]:
    """`open_sealed` for many records under one key: a function of sealed bytes and context."""
    decrypt = AESGCM(key).decrypt

    def open_one(sealed: bytes, context: bytes) -> bytes:
        algorithm, nonce, body = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            if algorithm == b"\x01":
                return decrypt(nonce, body, context)
            if algorithm == b"\x02":
                mode = modes.GCM(nonce, body[-TAG_BYTES:])
                decryptor = Cipher(algorithms.SM4(_sm4_key(key)), mode).decryptor()
                decryptor.authenticate_additional_data(context)
                return decryptor.update(body[:-TAG_BYTES]) + decryptor.finalize()
        except (InvalidTag, ValueError):
            pass
        raise CannotOpen

    return open_one


def blind_index(key: bytes, value: str) -> bytes:
    """16 bytes by which equal values are found without being readable."""
    return hmac.digest(key, value.encode(), "sha256")[:BLIND_INDEX_BYTES]


def blind_indexes(key: bytes, values: Iterable[bytes]) -> list[bytes]:
    """`blind_index` of many values: HMAC with the key's two hash states made once (RFC 2104)."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
    indexes = []
    for value in values:
        message, tag = inner.copy(), outer.copy()
        message.update(value)
        tag.update(message.digest())
        indexes.append(tag.digest()[:BLIND_INDEX_BYTES])
    return indexes


def _sm4_key(key: bytes) -> bytes:
    return hashlib.sha256(b"sm4" + key).digest()[:16]

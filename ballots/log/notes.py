"""Signed notes as C2SP defines them: texts with Ed25519 signatures below, and keys by name."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LOG_KEY = 0x01
COSIGNER_KEY = 0x04


@dataclass(frozen=True)
class NoteKey:
    """A public key with its name: of the log, or of a cosigner, whose signatures carry a time."""

    name: str
    public: bytes
    type: int = LOG_KEY

    @property
    def id(self) -> bytes:
        typed = bytes([self.type]) + self.public
        return hashlib.sha256(self.name.encode() + b"\n" + typed).digest()[:4]

    @property
    def vkey(self) -> str:
        typed = base64.b64encode(bytes([self.type]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{typed}"


def signature_line(key: NoteKey, signature: bytes) -> str:
    return f"— {key.name} {base64.b64encode(key.id + signature).decode()}\n"


def cosign(text: str, *, private: Ed25519PrivateKey, time: int) -> bytes:
    """A cosignature/v1 over a checkpoint: 8 bytes of time (seconds since 1970), 64 of signature."""
    return time.to_bytes(8) + private.sign(_cosigned(text, time))


def is_signed(text: str, key: NoteKey, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except InvalidSignature:
        return False
    return True


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()

"""Signed notes and the checkpoints (检查点) of a log: C2SP signed-note and tlog-checkpoint.

A note is text, an empty line, and a signature a line, each under the name and the id of a key. What
a note says is read only after a signature of a known key was found good.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ballot_verifier import ed25519
from ballot_verifier.merkle import HASH_SIZE

MOST_SIGNATURES = 64
MOST_BYTES = 64 * 1024
LOG, COSIGNER = 1, 4  # types of keys: one signs the text as it is, the other with its time
NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class BadNote(Exception):
    """The note or the key is not written as it must be, or not signed; the words say why."""


@dataclass(frozen=True)
class Key:
    """A public key as it is written in one line: name, id, and the key itself in base64."""

    name: str
    type: int  # LOG or COSIGNER
    id: bytes  # 4 bytes
    public_key: bytes  # 32 bytes

    @classmethod
    def parse(cls, line: str) -> Key:
        """Read `name+8 hex digits+base64 of the type and the key`, or raise BadNote."""
        name, _plus, rest = line.strip().partition("+")
        hex_id, _plus, encoded = rest.partition("+")
        content = decode_base64(encoded)
        if len(content) != 33 or content[0] not in {LOG, COSIGNER} or not _is_name(name):
            raise BadNote("not an Ed25519 key: name+id+base64")
        key_id = hashlib.sha256(name.encode() + b"\n" + content).digest()[:4]
        if key_id.hex() != hex_id:
            raise BadNote(f"the id {hex_id} is not that of the key, {key_id.hex()}")
        return cls(name, content[0], key_id, content[1:])

    @property
    def line(self) -> str:
        """The key as `parse` reads it."""
        typed = base64.b64encode(bytes([self.type]) + self.public_key).decode()
        return f"{self.name}+{self.id.hex()}+{typed}"

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Whether this is the key's signature under the text; a cosigner's begins with its time."""
        message = text.encode()
        if self.type == COSIGNER:
            at, signature = int.from_bytes(signature[:8]), signature[8:]
            message = f"cosignature/v1\ntime {at}\n".encode() + message
        return ed25519.is_signed(message=message, signature=signature, public_key=self.public_key)


@dataclass(frozen=True)
class Note:
    """A note's text with its newline, and the keys by which it is signed, each checked."""

    text: str
    signed_by: tuple[Key, ...]


@dataclass(frozen=True)
class Checkpoint:
    """What a log said of itself: so many leaves, under this root."""

    origin: str
    size: int
    root: bytes
    signed_by: tuple[Key, ...]


def open_note(data: bytes, keys: Iterable[Key]) -> Note:
    """Check the signatures of known keys and return the text, or raise BadNote.

    Signatures of unknown keys are passed over; one of a known key that fails spoils the note, and
    so does none of a log's key.
    """
    text, lines = _split(data)
    known = {(key.name, key.id): key for key in keys}
    signed_by: list[Key] = []
    for line in lines:
        name, signature = _parse_signature(line)
        key = known.get((name, signature[:4]))
        if key is None or key in signed_by:
            continue
        if not key.has_signed(text, signature[4:]):
            raise BadNote(f"the signature of {name} is wrong")
        signed_by.append(key)
    if not any(key.type == LOG for key in signed_by):
        raise BadNote("not signed by the log's key")
    return Note(text, tuple(signed_by))


def open_checkpoint(data: bytes, keys: Iterable[Key]) -> Checkpoint:
    """Check and read a checkpoint of exactly three lines, or raise BadNote."""
    note = open_note(data, keys)
    lines = note.text.split("\n")[:-1]
    if len(lines) != 3 or not all(lines):
        raise BadNote("a checkpoint has three lines and none that is empty")
    origin, size, root = lines
    if not NUMBER.fullmatch(size):
        raise BadNote("the size is no number")
    digest = decode_base64(root)
    if len(digest) != HASH_SIZE:
        raise BadNote("the root is no hash")
    return Checkpoint(origin, int(size), digest, note.signed_by)


def decode_base64(text: str) -> bytes:
    """The bytes, written in the one way in which they are written; else BadNote."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadNote("not base64") from None
    if base64.b64encode(data).decode() != text:
        raise BadNote("not base64 as it must be written")
    return data


def _split(data: bytes) -> tuple[str, list[str]]:
    if len(data) > MOST_BYTES:
        raise BadNote(f"longer than {MOST_BYTES} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise BadNote("not UTF-8") from None
    if any(character < " " and character != "\n" for character in whole):
        raise BadNote("control characters")
    text, gap, signatures = whole.rpartition("\n\n")
    if not gap or not signatures.endswith("\n"):
        raise BadNote("no signatures under an empty line")
    lines = signatures[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise BadNote(f"more than {MOST_SIGNATURES} signatures")
    return text + "\n", lines


def _parse_signature(line: str) -> tuple[str, bytes]:
    dash, _space, rest = line.partition(" ")
    name, _space, encoded = rest.partition(" ")
    if dash != "—" or not _is_name(name):
        raise BadNote("a line under the text is no signature")
    signature = decode_base64(encoded)
    if len(signature) < 5:
        raise BadNote("a signature is too short")
    return name, signature


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)

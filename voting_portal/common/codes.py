"""Codes that people read aloud and type: Crockford's base 32, without I, L, O and U."""

from __future__ import annotations

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_code(characters: int) -> str:
    """A random code of so many characters, five bits each."""
    return "".join(secrets.choice(ALPHABET) for _ in range(characters))


def grouped(code: str) -> str:
    """Four characters and a blank, as it is printed."""
    return " ".join(code[at : at + 4] for at in range(0, len(code), 4))

"""How carriers write a mainland phone: 13800138000, +8613800138000, tel:+8613800138000."""

from __future__ import annotations


def national(phone: str) -> str:
    """Eleven digits, whatever stands before them."""
    digits = phone.removeprefix("tel:").removeprefix("+")
    is_long = len(digits) == 13 and digits.startswith("86")
    return digits[2:] if is_long else digits


def international(phone: str) -> str:
    """With +86 before the eleven digits; a foreign number keeps its own code."""
    return phone if phone.startswith("+") else f"+86{national(phone)}"

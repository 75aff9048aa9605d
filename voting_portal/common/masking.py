"""What a page or a log may show of a person (脱敏)."""

from __future__ import annotations


def mask_name(name: str) -> str:
    """张三 -> 张*, 张小三 -> 张*三; long names keep both ends; John -> J***."""
    if not name:
        return ""
    if name[0].isascii():
        return f"{name[0]}***"
    if len(name) >= 10:
        return f"{name[:4]}****{name[-4:]}"
    if len(name) > 4:
        return f"{name[:2]}***"
    if len(name) <= 2:
        return f"{name[0]}*"
    return f"{name[0]}{'*' * (len(name) - 2)}{name[-1]}"


def mask_id_number(number: str) -> str:
    """The first three and the last four characters, the length kept."""
    if len(number) <= 7:
        return "*" * len(number)
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}"


def mask_phone(phone: str) -> str:
    """13812345678 -> 138****5678."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 8 else "*" * len(phone)


def mask_account(account: str) -> str:
    """A123456789 -> A*****6789."""
    return f"{account[:1]}*****{account[-4:]}"

"""Check characters of identity numbers (校验位): of residents and of bodies."""

from __future__ import annotations

import polars as pl

_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def has_resident_check_character() -> pl.Expr:
    """Whether `id_no` has it by GB 11643: the weighted digits and the character, of which X is ten,
    leave 1 modulo 11."""
    number = pl.col("id_no")
    body = number.str.slice(0, 17).cast(pl.Int64, strict=False)
    check = number.str.slice(17).replace("X", "10").cast(pl.Int64, strict=False)
    is_right = (resident_sum(body) + check) % 11 == 1
    return (number.str.contains("^[0-9]{17}[0-9X]$") & is_right).fill_null(value=False)


def resident_sum(body: pl.Expr) -> pl.Expr:
    """The weighted sum of the first seventeen digits of a resident's number."""
    return pl.sum_horizontal(
        body // 10 ** (16 - at) % 10 * weight for at, weight in enumerate(_RESIDENT_WEIGHTS)
    )


def credit_check_character(body: str) -> str:
    """GB 32100: what follows seventeen characters; ValueError for one of I, O, S, V and Z."""
    values = map(CREDIT_ALPHABET.index, body)
    weighted = sum(weight * value for weight, value in zip(_CREDIT_WEIGHTS, values, strict=True))
    return CREDIT_ALPHABET[(31 - weighted % 31) % 31]


def is_credit_code(number: str) -> bool:
    try:
        return len(number) == 18 and credit_check_character(number[:17]) == number[17]
    except ValueError:
        return False

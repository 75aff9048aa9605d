"""Cells of files that people open in a spreadsheet: what it would run as a formula becomes text."""

from __future__ import annotations

from psycopg import sql

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def defused(text: str) -> str:
    """The text with a quote before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def defused_column(column: str) -> sql.SQL:
    """The same as an expression over a column of a query."""
    return sql.SQL(f"regexp_replace({column}, '^([=+@\\t\\r-])', '''\\1')")

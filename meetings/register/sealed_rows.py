"""Rows of a register as the database takes them (入表的行): sealed, indexed and masked.

Each row becomes a holder of its own, with one holding; persons of several rows are folded later
(staging.py). Nothing here knows Django: a second process does the same without it
(sealing_process.py).
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import polars as pl

from voting_portal.common import masking, sealing

HOLDER_COLUMNS = (
    *("id", "kind", "name_masked", "phone_masked", "shares"),
    *("person_index", "phone_index", "sealed"),
)
# The last three only until the rows are folded.
HOLDING_COLUMNS = (
    *("id", "holder_id", "account_index", "account_masked", "share_class", "shares"),
    *("line", "nature", "told"),
)


@dataclass(frozen=True)
class Keys:
    """The two data keys that a load needs."""

    records: bytes
    index: bytes

    @classmethod
    def random(cls) -> Keys:
        """Keys for a check that leaves nothing behind."""
        return cls(sealing.new_key(), sealing.new_key())


@dataclass(frozen=True)
class Lines:
    """Rows as CSV for COPY, columns as in HOLDER_COLUMNS and HOLDING_COLUMNS."""

    holders: bytes
    holdings: bytes


@dataclass(frozen=True)
class RowSealer:
    """Seals the good rows of one register (checks.py).

    `base` is the id before that of the first row; `classes` how many elements Holder.shares has.
    """

    keys: Keys
    algorithm: str
    base: int
    classes: int

    def lines(self, rows: pl.DataFrame) -> Lines:
        shares = [
            pl.when(pl.col("share_class") == number).then("shares").otherwise(0)
            for number in range(self.classes)
        ]
        rows = rows.with_columns(
            *self._secrets(rows),
            pl.Series("name_masked", map(masking.mask_name, rows["name"]), pl.String),
            account_masked=_account_masked(pl.col("account")),
            phone_masked=_phone_masked(pl.col("phone")),
            id=pl.col("row") + self.base,
            told=_how_well_told(),
        ).with_columns(holder_id="id")
        by_class = pl.concat_str(pl.lit("{"), pl.concat_str(shares, separator=","), pl.lit("}"))
        return Lines(
            copy_lines(rows.with_columns(shares=by_class).select(HOLDER_COLUMNS)),
            copy_lines(rows.select(HOLDING_COLUMNS)),
        )

    def _secrets(self, rows: pl.DataFrame) -> list[pl.Series]:
        """Blind indexes and sealed records, as records.py makes them one by one; `phone_index` is
        null where there is no phone."""
        nul = pl.lit("\0")
        person = (
            pl.when(pl.col("ymt") != "")
            .then(pl.concat_str(pl.lit("ymt "), "ymt"))
            .when(pl.col("document") != "")
            .then(pl.concat_str(pl.lit("id "), "identity", nul, "id_type", nul, "document"))
            .otherwise(pl.concat_str(pl.lit("only account "), "account"))
        )
        words = rows.select(
            person=person,
            account=pl.concat_str(pl.lit("account "), "account"),
            phone=pl.when(pl.col("phone") != "").then(pl.concat_str(pl.lit("phone "), "phone")),
            record=pl.concat_str(
                "name", nul, "id_type", nul, "id_no", nul, "phone", nul, "account"
            ),
        ).cast(pl.Binary)
        seal = sealing.sealer(self.keys.records, algorithm=self.algorithm)
        sealed = [
            seal(record, record_context(self.base + row))
            for row, record in zip(rows["row"], words["record"], strict=True)
        ]
        has_phone = words["phone"].is_not_null()
        phones = iter(sealing.blind_indexes(self.keys.index, words["phone"].filter(has_phone)))
        columns: dict[str, list[bytes] | list[bytes | None]] = {
            "person_index": sealing.blind_indexes(self.keys.index, words["person"]),
            "account_index": sealing.blind_indexes(self.keys.index, words["account"]),
            "phone_index": [next(phones) if has else None for has in has_phone],
            "sealed": sealed,
        }
        return [pl.Series(name, values, pl.Binary) for name, values in columns.items()]


def record_context(holder_id: int) -> bytes:
    """What a holder's record is bound to."""
    return b"holder %d" % holder_id


def copy_lines(rows: pl.DataFrame) -> bytes:
    """Rows as CSV for COPY with `\\N` for null."""
    lines = io.BytesIO()
    rows.with_columns((pl.lit("\\x") + pl.col(pl.Binary).bin.encode("hex")).name.keep()).write_csv(
        lines, include_header=False, null_value="\\N"
    )
    return lines.getvalue()


def _account_masked(account: pl.Expr) -> pl.Expr:
    """masking.mask_account, a column at once."""
    return pl.concat_str(account.str.slice(0, 1), pl.lit("*****"), account.str.slice(-4))


def _phone_masked(phone: pl.Expr) -> pl.Expr:
    """masking.mask_phone of mobile numbers, a column at once; blank where there is none."""
    masked = pl.concat_str(phone.str.slice(0, 3), pl.lit("****"), phone.str.slice(-4))
    return pl.when(phone == "").then(pl.lit("")).otherwise(masked)


def _how_well_told() -> pl.Expr:
    """How well a row tells whose it is, 1 the best: 一码通, document, account alone."""
    return pl.when(pl.col("ymt") != "").then(1).when(pl.col("document") != "").then(2).otherwise(3)

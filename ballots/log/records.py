"""Records: what is logged, as the text that a commitment binds (docs/ballot-log.md, section 3)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ballots.rules import Choices

OPINION_LETTERS = {"FOR": "F", "AGAINST": "A", "ABSTAIN": "X"}
# The order of opinions in a split, then numbers as numbers.
_PLACES = {letter: (place,) for place, letter in enumerate("FAX")}


def start(origin: str, *, agenda: bytes, holders: int, register_root: bytes) -> bytes:
    return _text(
        "start", log=origin, agenda=agenda.hex(), register=f"{holders} {register_root.hex()}"
    )


def ballot_opening(
    origin: str,
    *,
    agenda: bytes,
    voter: str,
    share_class: str,
    shares: int,
    choices: Choices,
    level: int,
) -> bytes:
    """All of a ballot's record but its time and number, which the database gives last."""
    return _text(
        "ballot",
        log=origin,
        agenda=agenda.hex(),
        voter=voter,
        **{"class": share_class},
        shares=shares,
        votes=votes_line(choices),
        level=level,
    )


def ballot_ending(cast_at: datetime, seq: int) -> bytes:
    """The rest of a ballot's record."""
    return f"cast {time(cast_at)}\nseq {seq}\n".encode()


def close(
    origin: str, *, polls: tuple[datetime, datetime], sealed_at: datetime, ballots: int
) -> bytes:
    opened, closed = polls
    return _text(
        "close",
        log=origin,
        polls=f"{time(opened)} {time(closed)}",
        sealed=time(sealed_at),
        ballots=ballots,
    )


def other(
    origin: str,
    *,
    sha256: str,
    channel: str,
    row: int,
    voter: str | None,
    share_class: str,
    shares: int,
    declared: int | None,
    choices: Choices,
    at: datetime,
    seq: int,
    effect: str,
    reasons: Sequence[str],
    invalid: Mapping[str, str],
) -> bytes:
    """A vote of another channel as its file has it, and what it was judged to count for."""
    return _text(
        "other",
        log=origin,
        file=sha256,
        channel=channel,
        row=row,
        voter=voter or "-",
        **{"class": share_class},
        shares=shares,
        declared="-" if declared is None else declared,
        votes=votes_line(choices),
        at=time(at),
        seq=seq,
        effect=effect,
        reasons=" ".join(reasons) or "-",
        invalid=";".join(f"{k}={invalid[k]}" for k in sorted(invalid, key=_place)) or "-",
    )


def tally(
    origin: str,
    *,
    version: int,
    lists: bytes,
    totals: bytes,
    asked_by: str,
    opened_by: str,
    at: datetime,
) -> bytes:
    return _text(
        "tally",
        log=origin,
        version=version,
        lists=lists.hex(),
        totals=totals.hex(),
        asked=asked_by,
        opened=opened_by,
        at=time(at),
    )


def key(origin: str, *, old: str, new: str, at: datetime) -> bytes:
    """One log key hands over to another, both as verifier keys; `at` is when the new was made."""
    return _text("key", log=origin, **{"from": old}, to=new, at=time(at))


def holder(origin: str, *, voter: str, kind: str, shares: Sequence[tuple[str, int]]) -> bytes:
    """A holder with shares by the code of their class, in the order of classes."""
    held = ";".join(f"{code}={count}" for code, count in shares if count) or "-"
    return _text("holder", log=origin, voter=voter, kind=kind, shares=held)


def votes_line(choices: Choices) -> str:
    """Choices as one line: `1.00=F;4.00=4.01:246800,4.02:0`, numbers in order; `-` for none."""
    numbers = _in_order(tuple(choices))
    return ";".join([f"{number}={_said(choices[number])}" for number in numbers]) or "-"


def time(at: datetime) -> str:
    """UTC with microseconds, as `2026-12-05T01:31:07.412345Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _said(choice: str | Mapping[str, int]) -> str:
    if isinstance(choice, str):
        return OPINION_LETTERS[choice]
    counts = {OPINION_LETTERS.get(key, key): count for key, count in choice.items()}
    return ",".join(f"{key}:{counts[key]}" for key in sorted(counts, key=_place))


@functools.lru_cache(1_000)  # of all agendas there are few, and every cast sorts by one
def _in_order(numbers: tuple[str, ...]) -> list[str]:
    return sorted(numbers, key=_place)


@functools.lru_cache(10_000)
def _place(number: str) -> tuple[int, ...]:
    return _PLACES.get(number) or tuple(map(int, number.split(".")))


def _text(kind: str, /, **lines: str | int) -> bytes:
    body = "".join(f"{name} {value}\n" for name, value in lines.items())
    return f"ballot-log/v1 {kind}\n{body}".encode()

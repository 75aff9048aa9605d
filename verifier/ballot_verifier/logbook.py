"""Steps 2 and 4 to 7: the leaves of log and register are opened, each holder's votes settled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ballot_verifier import merkle, opening, records
from ballot_verifier.bundle import ENTRY_SIZE
from ballot_verifier.counting import Counts
from ballot_verifier.crew import Crew
from ballot_verifier.recounting import Case, settle_drawer
from ballot_verifier.sizes import Bounds
from ballot_verifier.work import AGENDA, ONCE, OPENINGS, REGISTER, RULES, Work

INDEX = re.compile(rb"([0-9]{1,9})\t")


def open_log(work: Work, crew: Crew, desk: opening.Desk) -> None:
    """Step 2, and what stands alone: start, close, changes of keys and the newest tally."""
    lines, expected = 0, 0
    for opened in crew.each(opening.open_leaves, _parts_of_openings(work, desk)):
        work.findings.join(opened.findings)
        if opened.first < expected:
            work.fail(OPENINGS, "out_of_order", opened.first)
        elif opened.first > expected and work.is_whole:
            work.fail(OPENINGS, "not_opened", expected, last=opened.first - 1)
        lines, expected = lines + opened.lines, max(expected, opened.next_index)
        for index, kind, line in opened.special:
            _take_special(work, index, kind, line)
    if work.is_whole and expected < work.leaves:
        work.fail(OPENINGS, "not_opened", expected, last=work.leaves - 1)
    for name, record in (("start", work.start), ("close", work.close)):
        if record is None:
            work.fail(OPENINGS, "no_record", kind=name)
    work.looked_at(OPENINGS, lines)


def check_agenda(work: Work) -> None:
    """Step 6 for the start record; ballots were compared as they were opened."""
    work.looked_at(AGENDA)
    number = work.agenda.facts["id"]
    logs = {key.name for key in work.chain}
    if work.origin not in {f"{name}/m/{number}" for name in logs}:
        work.fail(AGENDA, "another_meeting", place="agenda.json")
    if work.start is not None:
        if work.start.origin != work.origin:
            work.fail(OPENINGS, "another_log", 0)
        if work.start.agenda != work.agenda_hash:
            work.fail(AGENDA, "another_agenda", 0)
    if work.close is not None and not work.agenda.is_rehearsal:
        hours = work.close.polls_open_at, work.close.polls_close_at
        if hours != work.agenda.polls:
            found, expected = " ".join(hours), " ".join(work.agenda.polls)
            work.fail(AGENDA, "polls_differ", place="close", found=found, expected=expected)


def open_register(work: Work, crew: Crew, desk: opening.Desk) -> frozenset[str]:
    """Step 5: the register's root. Returns who belongs to a group that is large together."""
    tree, parts, holders = merkle.Tree(), _parts_of_register(work, desk), 0
    shares: dict[str, int] = {}
    for opened in crew.each(opening.open_register, parts):
        work.findings.join(opened.findings)
        holders += opened.lines
        for at in range(0, len(opened.hashes), merkle.HASH_SIZE):
            tree.append(opened.hashes[at : at + merkle.HASH_SIZE])
        for voter, (_kind, held) in opened.wanted.items():
            shares[voter] = _ordinary_shares(work, held)
    if work.start is not None:
        if tree.size != work.start.holders:
            values = {"found": tree.size, "expected": work.start.holders}
            work.fail(REGISTER, "register_size_differs", **values)
        if tree.root().hex() != work.start.register_root:
            work.fail(REGISTER, "register_root_differs")
    work.looked_at(REGISTER, holders)
    work.figures["holders"] = holders
    bound = Bounds.of(work.agenda).not_minority
    return frozenset().union(
        *(g for g in work.lists.groups if sum(shares.get(v, 0) for v in g) >= bound)
    )


def settle(work: Work, crew: Crew, case: Case) -> Counts:
    """Steps 4, 5 and 7 holder by holder, and the counts of all together."""
    counts, ballots, others = Counts(), 0, 0
    for settled in crew.each(settle_drawer, ((case, drawer) for drawer in opening.DRAWERS)):
        work.findings.join(settled.findings)
        counts.join(settled.counts)
        ballots, others = ballots + settled.ballots, others + settled.others
    work.looked_at(ONCE, ballots)
    work.looked_at(RULES, ballots + others)
    work.looked_at(AGENDA, ballots)
    work.figures["superseded"] = counts.superseded
    return counts


def _parts_of_openings(work: Work, desk: opening.Desk) -> Iterator[tuple[Any, ...]]:
    """Pieces of openings.txt with the entries that they speak of."""
    first = 0
    for part, lines in enumerate(work.bundle.lines("openings.txt")):
        first = _index_of_line(lines, 0, otherwise=first)
        last_line = lines.rfind(b"\n", 0, -1) + 1
        last = _index_of_line(lines, last_line, otherwise=first + lines.count(b"\n"))
        entries = work.entries[first * ENTRY_SIZE : (last + 1) * ENTRY_SIZE]
        yield desk, part, first, entries, lines
        first = last + 1


def _parts_of_register(work: Work, desk: opening.Desk) -> Iterator[tuple[Any, ...]]:
    first = 0
    for part, lines in enumerate(work.bundle.lines("register.txt")):
        yield desk, part, first, lines
        first += lines.count(b"\n")


def _take_special(work: Work, index: int, kind: int, line: bytes) -> None:
    try:
        if kind == records.START:
            work.start = records.read_start(line)
        elif kind == records.CLOSE:
            work.close = records.read_close(line)
        elif kind == records.KEY:
            work.successions.append((index, records.read_succession(line)))
        elif kind == records.TALLY:
            tally = records.read_tally(line)
            if work.tally is not None and tally.version <= work.tally.version:
                work.fail(OPENINGS, "version_not_larger", index)
            if tally.asked_by == tally.opened_by:
                work.fail(RULES, "opened_alone", index)
            work.tally, work.tally_index = tally, index
    except records.BadRecord:
        work.fail(OPENINGS, "not_of_its_kind", index, kind=records.KINDS[kind])


def _ordinary_shares(work: Work, held: str) -> int:
    try:
        return work.agenda.ordinary_shares(records.read_shares(held))
    except records.BadRecord:
        return 0


def _index_of_line(lines: bytes, at: int, *, otherwise: int) -> int:
    match = INDEX.match(lines, at)
    return int(match[1]) if match else otherwise

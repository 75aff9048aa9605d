"""Settling one drawer: everything that some holders said, against the register and by the rules.

Steps 4, 5, 7 and the counts for step 8. A holder's votes all stand in one drawer, so drawers are
settled one by one and their sums are added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ballot_verifier import judging, records
from ballot_verifier.agenda import Agenda
from ballot_verifier.counting import Count, Counts
from ballot_verifier.documents import Lists
from ballot_verifier.findings import Findings
from ballot_verifier.judging import Holder, Vote
from ballot_verifier.opening import NOBODY
from ballot_verifier.records import BadRecord, Close

ONCE, REGISTER, RULES = 4, 5, 7  # numbers of steps
LETTERS = {b"F": "FOR", b"A": "AGAINST", b"X": "ABSTAIN"}


@dataclass(frozen=True)
class Case:
    """What is the same for every drawer; `concert` are members of groups that are large together.

    Votes of other channels count up to the newest tally: `counted_to` is its place in the log.
    """

    folder: Path
    agenda: Agenda
    lists: Lists = field(default_factory=Lists)
    concert: frozenset[str] = frozenset()
    close: Close | None = None
    counted_to: int | None = None


@dataclass
class Settled:
    """What came out of a drawer."""

    holders: int
    ballots: int
    others: int
    counts: Counts
    findings: Findings


def settle_drawer(case: Case, drawer: str) -> Settled:
    """Judge and count all votes of the holders of a drawer."""
    work = _Drawer(case, drawer)
    work.take_register()
    work.take_others()
    work.take_ballots()
    return work.settled()


class _Drawer:
    def __init__(self, case: Case, drawer: str) -> None:
        self.case, self.agenda, self.drawer = case, case.agenda, drawer
        self.findings = Findings()
        self.count = Count(case.agenda, insiders=case.lists.insiders, concert=case.concert)
        self.register: dict[bytes, tuple[bytes, bytes]] = {}  # voter: kind, shares as written
        # Holders whose single ballot of ours is not all that there is to consider.
        self.looked_at = {name.encode() for name in case.lists.named}
        self.cast: set[bytes] = set()  # voter and class
        self.ballots = self.others = self.plain_heads = 0

    def take_register(self) -> None:
        for line in self._lines("holders"):
            voter, kind, shares = line.split(b"\t")
            if voter in self.register:
                self._fail(REGISTER, "twice_on_register", None, voter=voter.decode()[:8])
            self.register[voter] = kind, shares

    def take_others(self) -> None:
        """Votes of other channels: what they are worth must be what their records say."""
        for line in self._lines("others"):
            self.others += 1
            number, _tab, record = line.partition(b"\t")
            try:
                self._take_other(int(number), records.texts(records.OTHER, record))
            except BadRecord:
                self._fail(RULES, "cannot_be_read", int(number))

    def take_ballots(self) -> None:
        """Ballots of the portal. Most are of the plain form and are added up at once."""
        papers = {code.encode(): _PlainPaper(self.agenda, code) for code in self.agenda.classes}
        limit = self.count.bounds.one_percent if self.agenda.sizes_matter else None
        for line in self._lines("ballots"):
            self.ballots += 1
            number, voter, share_class, shares, votes, cast, _seq = line.split(b"\t")
            index, spoken = int(number), int(shares)
            self._check_time(index, cast.decode())
            if voter + share_class in self.cast:
                self._fail(ONCE, "voted_twice", index, voter=voter.decode()[:8])
                continue
            self.cast.add(voter + share_class)
            kind, held = self.register.get(voter, (b"", b""))
            if not kind:
                self._fail(REGISTER, "stranger", index, voter=voter.decode()[:8])
                continue
            paper = papers.get(share_class)
            if (
                paper is not None
                and kind in b"IO"
                and held == share_class + b"=" + shares
                and voter not in self.looked_at
                and (limit is None or spoken < limit)
                and paper.form.fullmatch(votes)
            ):
                paper.add(spoken, votes, is_small=spoken < self.count.bounds.not_small)
                continue
            try:
                self._take_ballot(line)
            except (BadRecord, UnicodeDecodeError):
                self._fail(RULES, "cannot_be_read", index)
        for paper in papers.values():
            self.plain_heads += paper.add_up(self.count)

    def settled(self) -> Settled:
        counts = self.count.finish(plain_heads=self.plain_heads)
        return Settled(len(self.register), self.ballots, self.others, counts, self.findings)

    def _take_other(self, index: int, values: tuple[str, ...]) -> None:
        _, _, channel, _, voter, share_class, shares, declared = values[:8]
        votes, at, seq, effect, reasons, invalid = values[8:]
        holder = self._holder(voter.encode()) if voter != NOBODY else None
        if voter != NOBODY and holder is None:
            self._fail(REGISTER, "stranger", index, voter=voter[:8])
            return
        vote = Vote(
            channel=channel,
            share_class=share_class,
            at=at,
            seq=int(seq),
            index=index,
            choices=records.read_choices(votes),
            declared=None if declared == "-" else int(declared),
        )
        held = holder.shares.get(share_class, 0) if holder else 0
        if int(shares) != held:
            self._fail(REGISTER, "shares_differ", index, found=shares, expected=held)
        motions = self.agenda.motions
        if share_class not in self.agenda.classes or not all(
            number in motions and motions[number].is_answered_by(choice)
            for number, choice in vote.choices.items()
        ):
            self._fail(RULES, "cannot_be_read", index)
            return
        judged = judging.judge_other_vote(self.agenda, holder, vote)
        said = (effect, set(reasons.split()) - {"-"}, records.read_pairs(invalid))
        if said != (judged.effect, set(judged.flags), dict(judged.invalid)):
            found = f"{judged.effect} {' '.join(judged.flags) or '-'}"
            self._fail(RULES, "judged_otherwise", index, found=found, said=f"{effect} {reasons}")
        is_counted = self.case.counted_to is None or index < self.case.counted_to
        if holder is not None and is_counted:
            self.looked_at.add(voter.encode())
            self.count.add_other(voter, holder, vote, judged)

    def _take_ballot(self, line: bytes) -> None:
        """A ballot to look at: its holder is on a list, or splits, or gave votes to candidates."""
        number, voter, share_class, shares, votes, cast, seq = line.split(b"\t")
        index, spoken = int(number), int(shares)
        holder, code = self._holder(voter), share_class.decode()
        assert holder is not None
        held = holder.shares.get(code, 0)
        if held != spoken and not (holder.is_nominee and spoken < held):
            self._fail(REGISTER, "shares_differ", index, found=spoken, expected=held)
            return
        vote = Vote(
            channel="LINK",
            share_class=code,
            at=cast.decode(),
            seq=int(seq),
            index=index,
            choices=records.read_choices(votes.decode()),
            declared=spoken if holder.is_nominee else None,
        )
        faults = judging.faults_of_ballot(self.agenda, holder, vote)
        for motion, reason in faults:
            self._fail(RULES, "unlawful", index, motion=motion or "-", fault=reason)
        is_readable = not any(r in {"NOT_OF_CLASS", "UNKNOWN_CHOICE"} for _motion, r in faults)
        if is_readable and code in self.agenda.classes:
            self.count.add_ballot(voter.decode(), holder, vote)

    def _check_time(self, index: int, cast: str) -> None:
        close = self.case.close
        if close is None:
            return
        if not close.polls_open_at <= cast <= close.polls_close_at or cast > close.sealed_at:
            self._fail(ONCE, "out_of_time", index, at=cast)

    def _holder(self, voter: bytes) -> Holder | None:
        kind, shares = self.register.get(voter, (b"", b""))
        if not kind:
            return None
        name = voter.decode()
        recused = self.case.lists.recused.get(name, frozenset())
        return Holder(kind.decode(), records.read_shares(shares.decode()), recused)

    def _fail(self, step: int, reason: str, index: int | None, **values: Any) -> None:
        self.findings.fail(step, reason, index, **values)

    def _lines(self, name: str) -> Iterator[bytes]:
        for path in sorted(self.case.folder.glob(f"{self.drawer}-{name}-*")):
            with path.open("rb") as file:
                for line in file:
                    yield line[:-1]


class _PlainPaper:
    """Ballots of one class that answer every plain motion and leave cumulative groups empty.

    Their form is a pattern, so that whole ballots are checked at once, and shares are added by
    answer as it is written. Where motions exclude each other no ballot is of this form.
    """

    NOTHING = re.compile(rb"(?!)")

    def __init__(self, agenda: Agenda, share_class: str) -> None:
        self.share_class = share_class
        numbers = sorted(
            (motion.number for motion in agenda.votable(share_class) if not motion.is_cumulative),
            key=lambda number: [int(part) for part in number.split(".")],
        )
        self.form = self.NOTHING
        if numbers and not agenda.exclusive_groups():
            parts = (re.escape(number.encode()) + rb"=[FAX]" for number in numbers)
            self.form = re.compile(b";".join(parts))
        self.numbers = numbers
        self.is_ordinary = agenda.classes[share_class].is_ordinary
        # By whether the holding is below 500,000 yuan: heads, shares, shares by answer.
        self._sums: dict[bool, tuple[list[int], dict[bytes, int]]] = {
            is_small: (
                [0, 0],
                {n.encode() + b"=" + letter: 0 for n in numbers for letter in LETTERS},
            )
            for is_small in (True, False)
        }

    def add(self, shares: int, votes: bytes, *, is_small: bool) -> None:
        total, said = self._sums[is_small]
        total[0] += 1
        total[1] += shares
        for answer in votes.split(b";"):
            said[answer] += shares

    def add_up(self, count: Count) -> int:
        """Hand the sums over; how many heads they are, if of ordinary shares."""
        heads = 0
        left_out = count.without_part(dict.fromkeys(self.numbers, "ABSTAIN"))
        for is_small, (total, said) in self._sums.items():
            if total[0]:
                sums = count.plain_sums(self.share_class, is_small=is_small)
                sums.heads += total[0]
                sums.shares += total[1]
                for motion in left_out:
                    sums.left_out[motion] += total[1]
                for answer, shares in said.items():
                    number, _equals, letter = answer.partition(b"=")
                    sums.said[number.decode(), LETTERS[letter]] += shares
                heads += total[0]
        return heads if self.is_ordinary else 0

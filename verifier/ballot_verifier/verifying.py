"""Checking a bundle (验证): the numbered steps, each of which holds or names what does not.

Every step is done whatever an earlier one found, as far as the bundle allows; a public bundle has
neither the ballots nor the register, so steps 4, 5 and 7 wait for an auditor.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ballot_verifier import documents, merkle, notes, opening, proofs, records, results
from ballot_verifier.bundle import ENTRY_SIZE, Bundle, Unreadable, parse_json
from ballot_verifier.counting import Bounds, Counts, Sums
from ballot_verifier.crew import Crew
from ballot_verifier.documents import Lists
from ballot_verifier.findings import Failure, Findings
from ballot_verifier.notes import BadNote, Checkpoint, Key
from ballot_verifier.recounting import Case, settle_drawer

BUNDLE, SIGNATURES, OPENINGS, TREE, ONCE, REGISTER, AGENDA, RULES, TOTALS, PROMISES = range(10)
STEPS = range(10)
# start, ballots, close, then votes of other channels and tallies.
ORDER_OF_KINDS = re.compile(rb"\x01\x02*\x03[\x04\x05]*")
INDEX = re.compile(rb"([0-9]{1,9})\t")
NOTES_AT_A_TIME = 200
SMALL = 20_000  # leaves; fewer are done before other processes have started


@dataclass(frozen=True)
class Step:
    """How a step came out: passed, failed, or not done, and how many things were looked at."""

    number: int
    status: str
    checked: int
    failed: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Report:
    """Everything that the report says."""

    kind: str  # public, auditor
    origin: str
    facts: dict[str, str]
    is_key_given: bool
    keys: tuple[Key, ...]
    checkpoint: Checkpoint | None  # the last one
    checkpoints: int
    cosigned_by: tuple[str, ...]
    leaves: int
    figures: dict[str, int]
    unknown_policies: tuple[str, ...]
    totals: dict[str, Any] | None
    steps: tuple[Step, ...]

    @property
    def is_good(self) -> bool:
        return all(step.status != "failed" for step in self.steps)


@dataclass
class _Work:
    """What is known so far; `checked` counts by step, a step that is not in it was not done."""

    findings: Findings = field(default_factory=Findings)
    checked: dict[int, int] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)


def verify(
    path: Path,
    *,
    keys: Sequence[Key] = (),
    promises: Sequence[tuple[str, bytes]] = (),
    held_proofs: Sequence[tuple[str, bytes]] = (),
    processes: int | None = None,
) -> Report:
    """Check the bundle at this path, or raise Unreadable.

    `keys` are those that were given by hand; without a log's key among them the bundle's own is
    taken. `promises` and `held_proofs` are files of holders, name and content.
    """
    bundle = Bundle(path)
    try:
        return _Verification(bundle, keys, processes).run(promises, held_proofs)
    finally:
        bundle.close()


class _Verification:
    def __init__(self, bundle: Bundle, keys: Sequence[Key], processes: int | None) -> None:
        self.bundle, self.work = bundle, _Work()
        self.is_key_given = any(key.type == notes.LOG for key in keys)
        self.keys = self._keys(keys)
        self.is_whole = "register.txt" in bundle
        self.leaves, rest = divmod(bundle.size("entries.bin"), ENTRY_SIZE)
        if rest or not self.leaves:
            raise Unreadable("entries.bin: not whole entries")
        is_small = max(self.leaves, bundle.size("register.txt") // 200) < SMALL
        self.processes = 1 if is_small else processes
        self.agenda_document = bundle.read("agenda.json")
        document = parse_json(self.agenda_document, name="agenda.json")
        self.agenda = documents.read_agenda(document)
        self.lists = Lists()
        if "lists.json" in bundle:
            self.lists = documents.read_lists(bundle.document("lists.json"), self.agenda)
        self.totals = bundle.document("totals.json") if "totals.json" in bundle else None

    def run(
        self,
        promises: Sequence[tuple[str, bytes]],
        held_proofs: Sequence[tuple[str, bytes]],
    ) -> Report:
        """All steps, in an order that reads every file once."""
        with Crew(self.processes) as crew, tempfile.TemporaryDirectory() as folder:
            checkpoints = list(self._checkpoints(crew))
            self.origin = checkpoints[0].origin if checkpoints else ""
            self.entries = self.bundle.read("entries.bin")
            desk = opening.Desk(
                origin=self.origin,
                agenda_hash=self.bundle.digests["agenda.json"][1],
                folder=Path(folder),
                wanted=self.lists.in_concert,
            )
            self._open_leaves(crew, desk)
            self._check_tree(checkpoints)
            self._check_agenda()
            if self.is_whole:
                concert = self._open_register(crew, desk)
                counts = self._settle(
                    crew, Case(desk.folder, self.agenda, self.lists, concert, self.close)
                )
                self._check_totals(counts)
            else:
                self._check_hashes_of_totals()
            self._check_promises(promises, held_proofs)
            self._check_manifest()
        return self._report(checkpoints)

    def _keys(self, given: Sequence[Key]) -> tuple[Key, ...]:
        """Keys by hand come before the bundle's; its log key counts only when none was given."""
        try:
            lines = self.bundle.read("keys.txt").decode("ascii").splitlines()
            ours = [Key.parse(line) for line in lines if line]
        except (BadNote, UnicodeDecodeError) as error:
            raise Unreadable(f"keys.txt: {error}") from None
        if self.is_key_given:
            ours = [key for key in ours if key.type == notes.COSIGNER]
        return tuple(dict.fromkeys([*given, *ours]))

    def _checkpoints(self, crew: Crew) -> Iterator[Checkpoint]:
        """Step 1: all signed checkpoints, of one log, each larger than the one before."""
        size, origin, number = 0, "", 0
        parts = ((part, self.keys) for part in _several(self._notes(), NOTES_AT_A_TIME))
        for opened in crew.each(_open_checkpoints, parts):
            for checkpoint in opened:
                number += 1
                place = f"checkpoints.txt {number}"
                if isinstance(checkpoint, str):
                    self._fail(SIGNATURES, "bad_checkpoint", place=place, why=checkpoint)
                    continue
                if origin and checkpoint.origin != origin:
                    self._fail(SIGNATURES, "another_log", place=place)
                    continue
                origin = checkpoint.origin
                if checkpoint.size <= size:
                    self._fail(SIGNATURES, "size_not_larger", place=place)
                    continue
                if size == 0 and checkpoint.size != 1:
                    self._fail(SIGNATURES, "no_first_checkpoint", place=place)
                size = checkpoint.size
                yield checkpoint
        if not number:
            self._fail(SIGNATURES, "no_checkpoint", place="checkpoints.txt")
        self.work.checked[SIGNATURES] = number

    def _notes(self) -> Iterator[bytes]:
        """The notes of checkpoints.txt: text up to an empty line, then lines of signatures."""
        note: list[bytes] = []
        is_signed = False
        for block in self.bundle.lines("checkpoints.txt"):
            for line in block.split(b"\n")[:-1]:
                if is_signed and not line.startswith("— ".encode()):
                    yield b"\n".join([*note, b""])
                    note, is_signed = [], False
                is_signed = is_signed or (line.startswith("— ".encode()) and b"" in note)
                note.append(line)
                if len(note) > 3 + 1 + notes.MOST_SIGNATURES:
                    raise Unreadable("checkpoints.txt: a checkpoint with too many lines")
        if note:
            yield b"\n".join([*note, b""])

    def _open_leaves(self, crew: Crew, desk: opening.Desk) -> None:
        """Step 2, and what stands alone: start, close and the newest tally."""
        self.start: records.Start | None = None
        self.close: records.Close | None = None
        self.tally: records.Tally | None = None
        lines, expected = 0, 0
        for opened in crew.each(opening.open_leaves, self._parts_of_openings(desk)):
            self.work.findings.join(opened.findings)
            if opened.first < expected:
                self._fail(OPENINGS, "out_of_order", opened.first)
            elif opened.first > expected and self.is_whole:
                self._fail(OPENINGS, "not_opened", expected, last=opened.first - 1)
            lines, expected = lines + opened.lines, max(expected, opened.next_index)
            for index, kind, line in opened.special:
                self._take_special(index, kind, line)
        if self.is_whole and expected < self.leaves:
            self._fail(OPENINGS, "not_opened", expected, last=self.leaves - 1)
        for name, record in (("start", self.start), ("close", self.close)):
            if record is None:
                self._fail(OPENINGS, "no_record", kind=name)
        self.work.checked[OPENINGS] = lines

    def _parts_of_openings(self, desk: opening.Desk) -> Iterator[tuple[Any, ...]]:
        """Pieces of openings.txt with the entries that they speak of."""
        first = 0
        for part, lines in enumerate(self.bundle.lines("openings.txt")):
            first = _index_of_line(lines, 0, otherwise=first)
            last_line = lines.rfind(b"\n", 0, -1) + 1
            last = _index_of_line(lines, last_line, otherwise=first + lines.count(b"\n"))
            entries = self.entries[first * ENTRY_SIZE : (last + 1) * ENTRY_SIZE]
            yield desk, part, first, entries, lines, self.is_whole
            first = last + 1

    def _take_special(self, index: int, kind: int, line: bytes) -> None:
        try:
            if kind == records.START:
                self.start = records.read_start(line)
            elif kind == records.CLOSE:
                self.close = records.read_close(line)
            elif kind == records.TALLY:
                tally = records.read_tally(line)
                if self.tally is not None and tally.version <= self.tally.version:
                    self._fail(OPENINGS, "version_not_larger", index)
                self.tally = tally
        except records.BadRecord:
            self._fail(OPENINGS, "not_of_its_kind", index, kind=records.KINDS[kind])

    def _check_tree(self, checkpoints: list[Checkpoint]) -> None:
        """Step 3: every checkpoint's root is that of so many entries, which stand in order."""
        kinds = self.entries[::ENTRY_SIZE]
        if not ORDER_OF_KINDS.fullmatch(kinds):
            match = re.match(rb"\x01\x02*(\x03[\x04\x05]*)?", kinds)
            self._fail(TREE, "kinds_out_of_order", match.end() if match else 0)
        ballots = kinds.count(bytes([records.BALLOT]))
        if self.close is not None and self.close.ballots != ballots:
            self._fail(TREE, "ballots_differ", found=ballots, expected=self.close.ballots)
        signed = {checkpoint.size: checkpoint for checkpoint in checkpoints}
        last = max(signed, default=0)
        if last != self.leaves:
            self._fail(TREE, "size_differs", found=self.leaves, expected=last)
        leaves = (
            merkle.leaf_hash(self.entries[at : at + ENTRY_SIZE])
            for at in range(0, len(self.entries), ENTRY_SIZE)
        )
        sizes = sorted(size for size in signed if size <= self.leaves)
        for size, root in merkle.roots_at(leaves, sizes):
            if root != signed[size].root:
                self._fail(TREE, "root_differs", size - 1, size=size)
        self.work.checked[TREE] = self.leaves
        self.work.figures |= {
            "ballots": ballots,
            "others": kinds.count(bytes([records.OTHER])),
        }

    def _check_agenda(self) -> None:
        """Step 6 for the start record; ballots were compared as they were opened."""
        self.work.checked[AGENDA] = 1
        if self.start is not None:
            if self.start.origin != self.origin:
                self._fail(OPENINGS, "another_log", 0)
            if self.start.agenda != self.bundle.digests["agenda.json"][1]:
                self._fail(AGENDA, "another_agenda", 0)

    def _open_register(self, crew: Crew, desk: opening.Desk) -> frozenset[str]:
        """Step 5: the register's root. Returns who belongs to a group that has 5 % together."""
        tree, parts, holders = merkle.Tree(), self._parts_of_register(desk), 0
        shares: dict[str, int] = {}
        for opened in crew.each(opening.open_register, parts):
            self.work.findings.join(opened.findings)
            holders += opened.lines
            for at in range(0, len(opened.hashes), merkle.HASH_SIZE):
                tree.append(opened.hashes[at : at + merkle.HASH_SIZE])
            for voter, (_kind, held) in opened.wanted.items():
                shares[voter] = self._ordinary_shares(held)
        if self.start is not None:
            if tree.size != self.start.holders:
                values = {"found": tree.size, "expected": self.start.holders}
                self._fail(REGISTER, "register_size_differs", **values)
            if tree.root().hex() != self.start.register_root:
                self._fail(REGISTER, "register_root_differs")
        self.work.checked[REGISTER] = holders
        self.work.figures["holders"] = holders
        bound = Bounds.of(self.agenda).five_percent
        return frozenset().union(
            *(g for g in self.lists.groups if sum(shares.get(v, 0) for v in g) >= bound)
        )

    def _parts_of_register(self, desk: opening.Desk) -> Iterator[tuple[Any, ...]]:
        first = 0
        for part, lines in enumerate(self.bundle.lines("register.txt")):
            yield desk, part, first, lines
            first += lines.count(b"\n")

    def _ordinary_shares(self, held: str) -> int:
        try:
            return self.agenda.ordinary_shares(records.read_shares(held))
        except records.BadRecord:
            return 0

    def _settle(self, crew: Crew, case: Case) -> Counts:
        """Steps 4, 5 and 7 holder by holder, and the counts of all together."""
        sums: dict[tuple[str, bool, str], Sums] = {}
        counts = Counts(sums=sums, heads=0, excluded=[], superseded=[], invalid=[])
        ballots = others = heads = 0
        for settled in crew.each(settle_drawer, ((case, drawer) for drawer in opening.DRAWERS)):
            self.work.findings.join(settled.findings)
            ballots, others = ballots + settled.ballots, others + settled.others
            heads += settled.counts.heads
            for kind, some in settled.counts.sums.items():
                sums.setdefault(kind, Sums()).join(some)
            counts.excluded.extend(settled.counts.excluded)
            counts.superseded.extend(settled.counts.superseded)
            counts.invalid.extend(settled.counts.invalid)
        self.work.checked |= {ONCE: ballots, RULES: ballots + others}
        self.work.checked[AGENDA] += ballots
        self.work.figures["superseded"] = len(counts.superseded)
        return Counts(sums, heads, counts.excluded, counts.superseded, counts.invalid)

    def _check_totals(self, counts: Counts) -> None:
        """Step 8: what was counted here is what was announced, and both hashes are logged."""
        if self.tally is None or self.totals is None:
            return
        self._check_hashes_of_totals()
        counted = results.result_of(self.agenda, counts)
        compared = 0
        for part in ("attendance", "motions"):
            for place, found, announced in _differences(counted[part], self.totals.get(part), part):
                compared += 1
                if found != announced:
                    values = {"found": found, "expected": announced}
                    self._fail(TOTALS, "total_differs", place=place, **values)
        self.work.checked[TOTALS] = compared

    def _check_hashes_of_totals(self) -> None:
        """Lists and totals are those that the newest tally record commits to."""
        if self.tally is None:
            if self.totals is not None:
                self._fail(TOTALS, "not_logged", place="totals.json")
            return
        for name, logged in (("lists.json", self.tally.lists), ("totals.json", self.tally.totals)):
            if name not in self.bundle:
                if self.is_whole:
                    self._fail(TOTALS, "missing", place=name)
                continue
            self.work.checked[TOTALS] = self.work.checked.get(TOTALS, 0) + 1
            if self.bundle.digests[name][1] != logged:
                self._fail(TOTALS, "another_document", place=name)

    def _check_promises(
        self,
        promises: Iterable[tuple[str, bytes]],
        held_proofs: Iterable[tuple[str, bytes]],
    ) -> None:
        """Step 9: what holders hand in is signed by the log's key, and in the log."""
        opened: list[proofs.Promise] = []
        for name, data in promises:
            self.work.checked[PROMISES] = self.work.checked.get(PROMISES, 0) + 1
            try:
                promise = proofs.open_promise(data, self.keys)
            except BadNote as error:
                self._fail(PROMISES, "bad_promise", place=name, why=error)
                continue
            opened.append(promise)
            entry = bytes([records.BALLOT]) + promise.commitment
            if promise.origin != self.origin:
                self._fail(PROMISES, "another_log", place=name)
            elif self._index_of(entry) is None:
                self._fail(PROMISES, "promise_broken", place=name, code=promise.code)
        for name, data in held_proofs:
            self.work.checked[PROMISES] = self.work.checked.get(PROMISES, 0) + 1
            try:
                proof = proofs.open_proof(data, self.keys, promises=opened)
            except BadNote as error:
                self._fail(PROMISES, "bad_proof", place=name, why=error)
                continue
            at = proof.index * ENTRY_SIZE
            if proof.checkpoint.origin != self.origin:
                self._fail(PROMISES, "another_log", place=name)
            elif self.entries[at : at + ENTRY_SIZE] != proof.entry:
                self._fail(PROMISES, "another_tree", proof.index, place=name)

    def _index_of(self, entry: bytes) -> int | None:
        at = self.entries.find(entry)
        while at >= 0 and at % ENTRY_SIZE:
            at = self.entries.find(entry, at + 1)
        return at // ENTRY_SIZE if at >= 0 else None

    def _check_manifest(self) -> None:
        """The files are those that were packed; this names damage and proves nothing."""
        self.work.checked[BUNDLE] = len(self.bundle.digests)
        if "manifest.json" not in self.bundle:
            self._fail(BUNDLE, "missing", place="manifest.json")
            return
        manifest = self.bundle.document("manifest.json")
        kind = "auditor" if self.is_whole else "public"
        if manifest.get("kind") != kind:
            self._fail(BUNDLE, "another_kind", found=kind, expected=manifest.get("kind"))
        if manifest.get("origin") != self.origin:
            self._fail(BUNDLE, "another_log", place="manifest.json")
        files = manifest.get("files")
        if not isinstance(files, dict):
            raise Unreadable("manifest.json: files is missing")
        digests = {n: d for n, d in self.bundle.digests.items() if n != "manifest.json"}
        for name in sorted(digests.keys() | files.keys()):
            size, sha256 = digests.get(name, (None, None))
            if files.get(name) != {"size": size, "sha256": sha256}:
                self._fail(BUNDLE, "file_differs", place=name)

    def _fail(self, step: int, reason: str, index: int | None = None, **values: Any) -> None:
        self.work.findings.fail(step, reason, index, **values)

    def _report(self, checkpoints: list[Checkpoint]) -> Report:
        found, checked = self.work.findings, self.work.checked
        last = checkpoints[-1] if checkpoints else None
        return Report(
            kind="auditor" if self.is_whole else "public",
            origin=self.origin,
            facts=dict(self.agenda.facts),
            is_key_given=self.is_key_given,
            keys=self.keys,
            checkpoint=last,
            checkpoints=len(checkpoints),
            cosigned_by=tuple(k.name for k in last.signed_by if k.type == notes.COSIGNER)
            if last
            else (),
            leaves=self.leaves,
            figures=self.work.figures,
            unknown_policies=self.agenda.unknown_policies,
            totals=self.totals,
            steps=tuple(
                Step(
                    number=number,
                    status="failed"
                    if found.counts[number]
                    else "passed"
                    if number in checked
                    else "not_done",
                    checked=checked.get(number, 0),
                    failed=found.counts[number],
                    failures=found.of_step(number),
                )
                for number in STEPS
            ),
        )


def _open_checkpoints(data: Sequence[bytes], keys: Sequence[Key]) -> list[Checkpoint | str]:
    """Checkpoints, or in their place why they are none."""
    opened: list[Checkpoint | str] = []
    for note in data:
        try:
            opened.append(notes.open_checkpoint(note, keys))
        except BadNote as error:
            opened.append(str(error))
    return opened


def _index_of_line(lines: bytes, at: int, *, otherwise: int) -> int:
    match = INDEX.match(lines, at)
    return int(match[1]) if match else otherwise


def _several(items: Iterable[bytes], number: int) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    for item in items:
        part.append(item)
        if len(part) == number:
            yield part
            part = []
    if part:
        yield part


def _differences(counted: Any, announced: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Every figure with its place, as it was counted and as it was announced."""
    if isinstance(counted, dict) and isinstance(announced, dict):
        for name in [*counted, *(name for name in announced if name not in counted)]:
            missing = "-"
            yield from _differences(
                counted.get(name, missing), announced.get(name, missing), f"{place}/{name}"
            )
    elif place.endswith("/excluded") and isinstance(announced, list):
        yield place, _sorted(counted), _sorted(announced)
    else:
        yield place, counted, announced


def _sorted(excluded: list[Any]) -> list[str]:
    return sorted(
        str(sorted(one.items())) if isinstance(one, dict) else str(one) for one in excluded
    )

"""Checking a bundle (验证): the numbered steps, each of which holds or names what does not.

Every step is done whatever an earlier one found, as far as the bundle allows; a public bundle has
neither the ballots nor the register, so steps 4, 5 and 7 wait for an auditor.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ballot_verifier import announced, checkpoints, handed_in, logbook, notes, succession
from ballot_verifier.bundle import Bundle, Unreadable
from ballot_verifier.crew import Crew
from ballot_verifier.findings import Failure
from ballot_verifier.notes import Checkpoint, Key
from ballot_verifier.opening import Desk
from ballot_verifier.policies import Policies
from ballot_verifier.recounting import Case
from ballot_verifier.work import BUNDLE, Work

STEPS = range(10)
SMALL = 20_000  # leaves; fewer are done before other processes have started
HOLDERS_LINE = 200  # bytes of a line of the register, more or less


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
    given: tuple[Key, ...]  # the log's keys that were given by hand
    keys: tuple[Key, ...]  # the log's, in their order
    ends: tuple[int, ...]  # the sizes at which each but the last of them handed over
    checkpoint: Checkpoint | None  # the last one
    checkpoints: int
    cosigned_by: tuple[str, ...]
    leaves: int
    figures: dict[str, int]
    totals: dict[str, Any] | None
    policies: Policies  # the switches by which was counted
    steps: tuple[Step, ...]

    @property
    def is_good(self) -> bool:
        return all(step.status != "failed" for step in self.steps)


def verify(
    path: Path,
    *,
    keys: Sequence[Key] = (),
    promises: Sequence[tuple[str, bytes]] = (),
    held_proofs: Sequence[tuple[str, bytes]] = (),
    processes: int | None = None,
) -> Report:
    """Check the bundle at this path, or raise Unreadable.

    `keys` are those that were given by hand; without a log's key among them the bundle vouches
    for itself. `promises` and `held_proofs` are files of holders, name and content.
    """
    bundle = Bundle(path)
    try:
        work = Work(bundle, keys)
        if max(work.leaves, bundle.size("register.txt") // HOLDERS_LINE) < SMALL:
            processes = 1
        with Crew(processes) as crew, tempfile.TemporaryDirectory() as folder:
            signed = list(checkpoints.read_checkpoints(work, crew))
            work.origin = signed[0].origin if signed else ""
            work.entries = bundle.read("entries.bin")
            desk = Desk(
                origin=work.origin,
                agenda_hash=work.agenda_hash,
                folder=Path(folder),
                is_whole=work.is_whole,
                wanted=work.lists.in_concert,
            )
            logbook.open_log(work, crew, desk)
            checkpoints.check_tree(work, signed)
            succession.check_keys(work, signed)
            logbook.check_agenda(work)
            if work.is_whole:
                concert = logbook.open_register(work, crew, desk)
                case = Case(
                    folder=desk.folder,
                    agenda=work.agenda,
                    lists=work.lists,
                    concert=concert,
                    close=work.close,
                    counted_to=work.tally_index,
                )
                announced.check_totals(work, logbook.settle(work, crew, case))
            else:
                announced.check_documents(work)
        handed_in.check_promises(work, promises, held_proofs)
        _check_manifest(work)
        return _report(work, signed)
    finally:
        bundle.close()


def _check_manifest(work: Work) -> None:
    """The files are those that were packed; this names damage and proves nothing."""
    work.looked_at(BUNDLE, len(work.bundle.digests))
    if "manifest.json" not in work.bundle:
        work.fail(BUNDLE, "missing", place="manifest.json")
        return
    manifest = work.bundle.document("manifest.json")
    kind = "auditor" if work.is_whole else "public"
    if manifest.get("kind") != kind:
        work.fail(BUNDLE, "another_kind", found=kind, expected=manifest.get("kind"))
    if manifest.get("origin") != work.origin:
        work.fail(BUNDLE, "another_log", place="manifest.json")
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise Unreadable("manifest.json: files is missing")
    digests = {n: d for n, d in work.bundle.digests.items() if n != "manifest.json"}
    for name in sorted(digests.keys() | files.keys()):
        size, sha256 = digests.get(name, (None, None))
        if files.get(name) != {"size": size, "sha256": sha256}:
            work.fail(BUNDLE, "file_differs", place=name)


def _report(work: Work, checkpoints: list[Checkpoint]) -> Report:
    found, checked = work.findings, work.checked
    last = checkpoints[-1] if checkpoints else None
    return Report(
        kind="auditor" if work.is_whole else "public",
        origin=work.origin,
        facts=dict(work.agenda.facts),
        given=work.given,
        keys=work.chain,
        ends=work.ends,
        checkpoint=last,
        checkpoints=len(checkpoints),
        cosigned_by=tuple(k.name for k in last.signed_by if k.type == notes.COSIGNER)
        if last
        else (),
        leaves=work.leaves,
        figures=work.figures,
        totals=work.totals,
        policies=work.agenda.policies,
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

"""Backup and recovery under traffic: `python -m drills.restore`, or `make drill-restore`.

Holders vote and the log grows while a base backup is taken; then the machine dies: PostgreSQL is
killed and its data is removed. Two copies are made from backup and archived WAL, one of all there
is, one of a moment before. Of both it is checked, by code that is not the server's, that every
confirmation given before that point is in the books, that every root that anybody saw is the
copy's, too, and that the log goes on without a fork or, on the older copy, refuses to.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "verifier"))

from ballot_verifier import merkle, proofs
from ballot_verifier.notes import Key
from drills.clusters import Cluster
from voting_portal import embedded

VOTERS = 2
START_SECONDS = 60  # until the voters have begun
CHECKED_PROMISES = 200  # whose signature is checked; all of them are looked for
PREPARE = """
from bench.meetings import make_meeting
from ballots.log.starting import start_due
from ballots.log.keys import reigns_of
meeting = make_meeting({holders})
start_due()
print("MEETING", meeting.pk, reigns_of(meeting.pk)[-1].key.vkey)
"""


@dataclass
class Told:
    """What somebody outside was told: confirmations with their promises, and roots by size."""

    ballots: list[dict[str, object]]
    roots: dict[int, str]


@dataclass
class Outcome:
    """What came of it: figures to print, and every fault."""

    figures: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)


class Drill:
    """One run in a folder of its own."""

    def __init__(
        self, folder: Path, *, seconds: float, holders: int, synchronous: bool = True
    ) -> None:
        self.folder, self.seconds, self.holders = folder, seconds, holders
        self.synchronous = synchronous
        self.clusters: list[Cluster] = []
        self.processes: list[subprocess.Popen[str]] = []
        self.outcome = Outcome()
        self.secret = secrets.token_urlsafe(50)
        self.witnessed: dict[int, str] = {}

    def run(self) -> Outcome:
        try:
            self._run()
        finally:
            for process in self.processes:
                if process.poll() is None:
                    process.kill()
                process.wait()
            for cluster in self.clusters:
                cluster.stop()
        return self.outcome

    def _run(self) -> None:
        primary = self._cluster("primary")
        primary.make()
        self._manage(primary, "migrate", "--verbosity=0")
        program = PREPARE.format(holders=self.holders)
        said = self._manage(primary, "shell", "--verbosity=0", "--command", program)
        number, self.vkey = said.partition("MEETING ")[2].split()[:2]
        self.meeting = int(number)
        primary.stream_wal(synchronous=self.synchronous)

        told, moment, disaster = self._vote_until_the_disaster(primary)
        archive = primary.archive
        backup = self.folder / "backup"
        latest = self._recover_all(backup, archive, told, disaster)
        self._go_on(latest, told)
        self._recover_moment(backup, archive, told, moment, disaster)

    def _vote_until_the_disaster(self, primary: Cluster) -> tuple[Told, datetime, float]:
        """Traffic, a backup in the midst of it, a moment to go back to, and the end."""
        share = (self.holders - 1) // VOTERS
        files = [self.folder / f"voter-{voter}.jsonl" for voter in range(VOTERS)]
        for voter, file in enumerate(files):
            ends = (voter * share + 1, (voter + 1) * share)
            self._begin(primary, "-m", "drills.restore_voters", str(self.meeting),
                        *map(str, ends), out=file)  # fmt: skip
        self._begin(primary, "manage.py", "run_sequencer", out=self.folder / "sequencer.log")
        is_over = threading.Event()
        witness = threading.Thread(target=self._witness, args=(primary, is_over))
        witness.start()
        deadline = time.monotonic() + START_SECONDS
        while not all(file.stat().st_size for file in files) and time.monotonic() < deadline:
            time.sleep(0.1)  # the first confirmation of each
        began = time.monotonic()
        time.sleep(self.seconds / 3)
        taken = primary.back_up(self.folder / "backup")
        self.outcome.figures["base backup under traffic"] = f"{taken:.1f} s, verified"
        self._sleep_until(began + self.seconds * 2 / 3)
        moment = datetime.now(UTC)  # noqa: TID251 - the drill is its own edge
        self._sleep_until(max(began + self.seconds, time.monotonic() + self.seconds / 4))
        disaster = time.time()
        primary.kill()
        shutil.rmtree(primary.data)
        for process in self.processes:  # the whole machine is gone
            process.send_signal(signal.SIGKILL)
            process.wait()
        is_over.set()
        witness.join()
        ballots = [json.loads(line) for file in files for line in _whole_lines(file)]
        self.outcome.expect(len(ballots) > 20, "fewer than 20 ballots were cast: no traffic")
        first = min((float(str(ballot["at"])) for ballot in ballots), default=0.0)
        rate = len(ballots) / (disaster - first)
        self.outcome.figures["confirmed before the disaster"] = (
            f"{len(ballots)} ballots, {rate:.0f} a second"
        )
        return Told(ballots, dict(self.witnessed)), moment, disaster

    def _recover_all(self, backup: Path, archive: Path, told: Told, disaster: float) -> Cluster:
        copy = self._cluster("latest")
        began = time.monotonic()
        copy.recover(backup, archive)
        recovered = time.monotonic() - began
        left = str(self.holders)  # a holder whose turn has not come
        self._program(copy, "-m", "drills.restore_voters", str(self.meeting), left, left)
        first_vote = time.monotonic() - began
        lost = self._missing(copy, told)
        newest = self._newest(copy, told)
        self.outcome.figures["RTO"] = (
            f"{first_vote:.1f} s to the first vote ({recovered:.1f} s until PostgreSQL took writes)"
        )
        self.outcome.figures["RPO"] = (
            f"{len(lost)} confirmed ballots lost, "
            + (f"{disaster - newest:.3f} s" if lost else "0 s")
            + f" (WAL {'synchronously' if self.synchronous else 'asynchronously'} archived)"
        )
        if self.synchronous:
            self.outcome.expect(not lost, f"LOST: {len(lost)} confirmed ballots are in no copy")
        self._check_roots(copy, told, "latest copy")
        return copy

    def _go_on(self, copy: Cluster, told: Told) -> None:
        """The sequencer works on the copy: what was promised is logged, and nothing forks.

        Where WAL is archived behind the votes a signed entry may be lost: then the log stands.
        """
        if "stands" in self._sequence(copy):
            self.outcome.expect(not self.synchronous, "FORK: the latest copy's log stands")
            self.outcome.figures["the log of the latest copy"] = "lost signed entries, and stands"
            return
        logged = self._logged(copy)
        kept = self._kept(copy, told)
        unlogged = [b for b in kept if b["commitment"] not in logged]
        self.outcome.expect(not unlogged, f"UNLOGGED: {len(unlogged)} promises were not kept")
        self._check_roots(copy, told, "latest copy after the sequencer went on")
        keys = [Key.parse(self.vkey)]
        for ballot in kept[:CHECKED_PROMISES]:
            promise = proofs.open_promise(str(ballot["promise"]).encode(), keys)
            self.outcome.expect(promise.commitment.hex() in logged, "a signed promise is not kept")
        self.outcome.figures["promises checked on the copy"] = (
            f"{len(kept)} in the log, {min(len(kept), CHECKED_PROMISES)} signatures"
        )
        self.outcome.figures["roots that were seen before"] = (
            f"{len(told.roots)}, all of them the copy's"
        )

    def _recover_moment(
        self, backup: Path, archive: Path, told: Told, moment: datetime, disaster: float
    ) -> None:
        copy = self._cluster("moment")
        began = time.monotonic()
        copy.recover(backup, archive, until=moment)
        took = time.monotonic() - began
        before = [b for b in told.ballots if float(str(b["at"])) <= moment.timestamp()]
        missing = self._missing(copy, Told(before, {}))
        self.outcome.expect(not missing, f"LOST: {len(missing)} ballots confirmed before it")
        lost = self._missing(copy, told)
        self._check_roots(copy, told, "copy of a moment")
        self.outcome.figures["to a moment before"] = (
            f"{took:.1f} s; {disaster - moment.timestamp():.1f} s before the disaster: all "
            f"{len(before)} ballots confirmed by then are there, {len(lost)} later ones are not"
        )
        size = self._size(copy)
        said = self._sequence(copy)
        stands = "stands" in said and self._size(copy) == size
        self.outcome.expect(stands, "FORK: the older copy's log went on past heads it had lost")
        self.outcome.figures["the log of the older copy"] = "stands and says so" if stands else said

    def _check_roots(self, copy: Cluster, told: Told, name: str) -> None:
        """The copy's roots are those of its leaves, and those that were seen before, up to its
        size."""
        leaves = [merkle.leaf_hash(bytes([kind]) + bytes(c)) for kind, c in self._leaves(copy)]
        signed = self._checkpoints(copy)
        grown = {size: root.hex() for size, root in merkle.roots_at(leaves, sorted(signed))}
        self.outcome.expect(grown == signed, f"{name}: a root is not that of its leaves")
        seen = {size: root for size, root in told.roots.items() if size <= len(leaves)}
        forked = [size for size, root in seen.items() if signed.get(size) != root]
        self.outcome.expect(not forked, f"FORK: {name} differs at sizes {forked[:5]}")

    def _missing(self, copy: Cluster, told: Told) -> list[dict[str, object]]:
        there = self._ballots(copy)
        return [b for b in told.ballots if there.get(int(str(b["ballot"]))) != b["commitment"]]

    def _kept(self, copy: Cluster, told: Told) -> list[dict[str, object]]:
        there = self._ballots(copy)
        return [b for b in told.ballots if int(str(b["ballot"])) in there]

    def _newest(self, copy: Cluster, told: Told) -> float:
        return max((float(str(b["at"])) for b in self._kept(copy, told)), default=0.0)

    def _ballots(self, copy: Cluster) -> dict[int, str]:
        rows = _ask(copy, "SELECT id, encode(commitment, 'hex') FROM ballots_ballot")
        return {int(str(pk)): str(commitment) for pk, commitment in rows}

    def _leaves(self, copy: Cluster) -> list[tuple[int, bytes]]:
        rows = _ask(copy, "SELECT kind, commitment FROM ballots_logleaf ORDER BY id")
        return [(int(str(kind)), bytes(c)) for kind, c in rows]  # type: ignore[call-overload]

    def _logged(self, copy: Cluster) -> set[str]:
        return {commitment.hex() for _kind, commitment in self._leaves(copy)}

    def _checkpoints(self, copy: Cluster) -> dict[int, str]:
        rows = _ask(copy, CHECKPOINTS)
        return {int(str(size)): str(root) for size, root in rows}

    def _size(self, copy: Cluster) -> int:
        ((size,),) = _ask(copy, "SELECT size FROM ballots_meetinglog")
        return int(str(size))

    def _witness(self, primary: Cluster, is_over: threading.Event) -> None:
        """Somebody who keeps every root that is signed."""
        try:
            with primary.connect() as connection:
                while not is_over.wait(0.1):
                    rows = connection.execute(CHECKPOINTS).fetchall()
                    self.witnessed |= {int(str(size)): str(root) for size, root in rows}
        except psycopg.Error:
            return  # it is gone

    def _cluster(self, name: str) -> Cluster:
        self.clusters.append(Cluster(self.folder / name))
        return self.clusters[-1]

    def _environment(self, cluster: Cluster) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "DJANGO_SETTINGS_MODULE": "voting_portal.settings",
            "DATABASE_URL": cluster.url,
            "REDIS_URL": "redis://127.0.0.1:1",  # no part of it: a vote needs none
            "SECRET_KEY": self.secret,
            "KEYSTORE_FILE": str(self.folder / "key-encryption-keys.json"),
            "MEETING_KEYS_DIR": str(self.folder / "meeting-keys"),
            "ARCHIVE_DIR": str(self.folder / "archive"),
            "LOG_NAME": "drill.example",
        }

    def _begin(self, cluster: Cluster, *arguments: str, out: Path) -> None:
        with out.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=embedded.CHECKOUT,
                env=self._environment(cluster),
                stdout=file,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        self.processes.append(process)

    def _manage(self, cluster: Cluster, *words: str) -> str:
        return self._program(cluster, "manage.py", *words)

    def _program(self, cluster: Cluster, *arguments: str) -> str:
        """What a program of ours says that runs on a cluster to its end."""
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command,
            cwd=embedded.CHECKOUT,
            env=self._environment(cluster),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[1:])} failed: {done.stderr[-1000:]}")
        return done.stdout + done.stderr

    def _sequence(self, cluster: Cluster) -> str:
        return self._manage(cluster, "run_sequencer", "--once")

    @staticmethod
    def _sleep_until(moment: float) -> None:
        time.sleep(max(0.0, moment - time.monotonic()))


CHECKPOINTS = (
    "SELECT (id & ((1::bigint << 33) - 1)) + 1, encode(root, 'hex') FROM ballots_checkpoint"
)


def _ask(cluster: Cluster, question: str) -> list[tuple[object, ...]]:
    with cluster.connect() as connection:
        return connection.execute(question).fetchall()  # type: ignore[arg-type]


def _whole_lines(file: Path) -> Iterator[str]:
    """The lines that were written to their end before the writer was killed."""
    for line in file.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            yield line


def report_of(outcome: Outcome, *, at: datetime) -> str:
    """The drill's report as Markdown."""
    verdict = "FAILED" if outcome.faults else "passed"
    lines = [f"# Drill: backup and recovery, {at:%Y-%m-%d %H:%M} UTC: {verdict}", ""]
    lines += ["| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in outcome.figures.items()]
    lines += ["", *(f"- FAULT {fault}" for fault in outcome.faults)]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="drills.restore", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of traffic")
    parser.add_argument("--holders", type=int, default=20_000)
    parser.add_argument("--asynchronous", action="store_true", help="archive WAL behind the votes")
    parser.add_argument("--reports", type=Path, default=embedded.DATA / "drills")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="drill-restore-"))
    try:
        drill = Drill(
            folder,
            seconds=options.seconds,
            holders=options.holders,
            synchronous=not options.asynchronous,
        )
        outcome = drill.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    at = datetime.now(UTC)  # noqa: TID251 - the drill is its own edge
    report = report_of(outcome, at=at)
    options.reports.mkdir(parents=True, exist_ok=True)
    file = options.reports / f"restore-{at:%Y%m%d-%H%M%S}.md"
    file.write_text(report)
    print(report + f"\nWritten to {file}")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())

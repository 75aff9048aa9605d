"""Run the drills: `python -m drills [--full] [--list] [NAME ...]`, `make drills`.

Exit code 0 when every drill passed or was left out for want of something that its line names.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from drills import Outcome, Skipped
from drills.installation import Installation, make_tables
from drills.report import Line, table, write

if TYPE_CHECKING:
    from drills.scene import Scene

DRILLS = (
    "double_submits",
    "kill_postgres",
    "kill_web",
    "kill_sequencer",
    "kill_redis",
    "kill_senders",
    "redis_away",
    "carrier_away",
    "disk_full",
    "clock_skew",
    "slow_clients",
    "bad_input",
    "rolling_restart",
    "soak",
    "rotating",
    "closing",
    "recovery",
    "sweep",
)
DATA = Path(__file__).resolve().parent.parent / ".data" / "drills"
HOLDERS_QUICK, HOLDERS_FULL = 8_000, 40_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="drills", description=__doc__)
    parser.add_argument("--full", action="store_true", help="longer: Redis away for five minutes")
    parser.add_argument("--list", action="store_true", help="name the drills and end")
    parser.add_argument("--data", type=Path, default=DATA, help="where servers and reports lie")
    parser.add_argument("--faketime", default="", help="libfaketimeMT.so.1, if in no usual place")
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"of {', '.join(DRILLS)}")
    options = parser.parse_args()
    if options.list:
        for name in DRILLS:
            print(f"{name:<18}{_shows(name)}")
        return 0
    if unknown := set(options.only) - set(DRILLS):
        parser.error(f"no drill {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    options.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    began = time.time()
    lines = _run(options)
    seconds = time.time() - began
    print(f"\n{table(lines)}")
    file = write(lines, directory=options.data, began=began, seconds=seconds, is_full=options.full)
    print(f"\n{seconds:.0f} s; report: {file}")
    return 0 if all(line.verdict != "FAILED" for line in lines) else 1


def _run(options: argparse.Namespace) -> list[Line]:
    """Start the installation, play every drill on it, end everything."""
    installation = Installation(options.data.resolve())
    with installation.servers():
        scene = _scene(installation, options)
        _say(f"{len(installation.parts)} parts run")
        return [_play(name, scene) for name in options.only or DRILLS]


def _scene(installation: Installation, options: argparse.Namespace) -> Scene:
    """An open meeting on the new servers, and its holders."""
    make_tables()
    from drills import people
    from drills.history import History
    from drills.scene import Scene

    holders = HOLDERS_FULL if options.full else HOLDERS_QUICK
    meeting = people.make_meeting(
        holders=holders, directory=installation.data / "servers", lasts=timedelta(hours=3)
    )
    _say(f"a meeting of {holders:,} holders is open")
    installation.start_processes()
    return Scene(
        installation,
        meeting,
        people.Crowd(people.voters_of(meeting)),
        History(installation.data / "servers" / "history.jsonl"),
        is_quick=not options.full,
        directory=installation.data / "servers",
        options={"faketime": options.faketime},
    )


def _play(name: str, scene: Scene) -> Line:
    """One drill and the check after it."""
    from drills.history import Answer

    drill = importlib.import_module(f"drills.{name}")
    began, outcome = time.monotonic(), Outcome()
    skipped = ""
    try:
        outcome = drill.run(scene)
    except Skipped as reason:
        skipped = str(reason)
    except Exception as failure:  # noqa: BLE001 - it is the drill's verdict, the others go on
        outcome.faults.append(f"{type(failure).__name__}: {failure}")
    try:
        if dead := scene.installation.heal():
            outcome.faults.append(f"{', '.join(dead)} did not work any more afterwards")
        scene.settle()
        outcome.faults += scene.check(outcome)
    except Exception as failure:  # noqa: BLE001 - as above
        outcome.faults.append(f"the check failed: {type(failure).__name__}: {failure}")
    acknowledged = scene.history.count(Answer.ACKNOWLEDGED, drill=name)
    line = Line.of(
        name,
        _shows(name),
        outcome,
        acknowledged=acknowledged,
        seconds=time.monotonic() - began,
        skipped=skipped,
    )
    _say(line.one_line())
    return line


def _shows(name: str) -> str:
    """The first sentence of the drill's module."""
    file = Path(__file__).with_name(f"{name}.py")
    return file.read_text().split('"""')[1].split("\n\n")[0].replace("\n", " ")


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {words}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

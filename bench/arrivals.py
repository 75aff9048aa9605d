"""The generator of `make stress`, a process of its own so that its CPU is told apart.

`python -m bench.arrivals` reads orders from its standard input, one JSON object a line: people, how
many arrive a second, for how long. People arrive whether or not those before them were served; what
became of them is answered as one JSON object.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from drills.history import Answer
from drills.phones import Person, Phone

MOST_AT_ONCE = 96


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(arrive(**json.loads(line))), flush=True)


def arrive(
    *,
    people: list[dict[str, Any]],
    rate: float,
    seconds: float,
    portal: list[Any],
    simulator: str,
    at_once: int = MOST_AT_ONCE,
) -> dict[str, Any]:
    """Let people come at this rate; seconds of every request by step, answers, who still waits.

    Who has not been let begin when the time is over goes away and counts as waiting.
    """
    found: dict[str, Any] = {"steps": {}, "answers": {}, "journeys": [], "lags": [], "waiting": 0}
    failures: list[str] = []
    lock = threading.Lock()
    started = time.monotonic()

    def come(person: Person, due: float) -> None:
        lag = time.monotonic() - due
        if time.monotonic() > started + seconds + 1:
            with lock:
                found["waiting"] += 1
            return
        phone = Phone(person, (portal[0], portal[1]), simulator)
        said = phone.vote()
        with lock:
            for step, took in phone.seconds.items():
                found["steps"].setdefault(step, []).append(round(took, 4))
            found["answers"][said.answer] = found["answers"].get(said.answer, 0) + 1
            found["lags"].append(round(lag, 4))
            if said.answer is Answer.ACKNOWLEDGED:
                found["journeys"].append(round(time.monotonic() - due, 4))
            failures.extend(phone.failures)

    with ThreadPoolExecutor(at_once) as pool:
        for number, person in enumerate(people):
            due = started + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            pool.submit(come, Person(**person), due)
    took = max(seconds, time.monotonic() - started)
    kinds = {failure: failures.count(failure) for failure in sorted(set(failures))}
    return found | {"seconds": took, "failures": kinds}


if __name__ == "__main__":
    main()

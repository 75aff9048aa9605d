"""A new version while holders vote: server after server is replaced, no request is dropped."""

from __future__ import annotations

import time

from drills import Outcome
from drills.scene import Scene

ROUNDS_QUICK, ROUNDS_FULL = 1, 5
VOTES = 15
LEAVES_AFTER = 1.0  # seconds in which the proxy server's older workers end


def run(scene: Scene) -> Outcome:
    """Out of service, finished, replaced, ready, into service: as a deployment goes."""
    outcome = Outcome()
    load = scene.load("rolling_restart")
    installation = scene.installation
    rounds = ROUNDS_QUICK if scene.is_quick else ROUNDS_FULL
    with load.running():
        for _round in range(rounds):
            for web in installation.web:
                scene.wait_for_votes(VOTES)
                installation.drain(web.name)
                time.sleep(LEAVES_AFTER)
                web.stop()
                outcome.restarts.append(web.restart())
                installation.drain()
            scene.wait_for_votes(VOTES)
    requests = len(load.seconds)
    outcome.expect(not load.failures, f"{len(load.failures)} dropped: {load.failures[:3]}")
    load.settle()
    outcome.did = (
        f"{2 * rounds} servers replaced under load, {requests:,} requests,"
        f" {len(load.failures)} dropped"
    )
    return outcome

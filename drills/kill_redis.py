"""kill -9 of Redis while holders vote: no vote depends on it, and nothing it lost is missed."""

from __future__ import annotations

import redis

from drills import Outcome
from drills.scene import Scene

KILLS = 2
VOTES_QUICK, VOTES_FULL = 12, 200


def run(scene: Scene) -> Outcome:
    """Twice; before the second start its data is thrown away as well."""
    outcome = Outcome()
    load = scene.load("kill_redis")
    server = scene.installation.parts["redis"]
    votes = VOTES_QUICK if scene.is_quick else VOTES_FULL
    with load.running():
        for turn in range(KILLS):
            scene.wait_for_votes(votes)
            server.kill()
            outcome.restarts.append(server.restart())
            if turn:
                with redis.Redis(unix_socket_path=str(scene.installation.redis_socket)) as client:
                    client.flushall()
        scene.wait_for_votes(votes)
    casts = [failure for failure in load.failures if failure.startswith(("cast", "confirmation"))]
    outcome.expect(not casts, f"votes failed for want of Redis: {casts[:3]}")
    refused = len(load.failures) - len(casts)
    load.settle()
    outcome.did = (
        f"{KILLS} kills under load, one with all data lost; {refused} codes to ask for again"
    )
    return outcome

"""kill -9 of web workers and of whole servers under load: a repeated vote is the first one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from drills import Outcome, Restart
from drills.parts import Part
from drills.processor_time import Since, children
from drills.scene import Scene, wait_until

VOTES_QUICK, VOTES_FULL = 12, 200


def run(scene: Scene) -> Outcome:
    """A worker on each server, then one server, then both at the same moment.

    The master alone is not tried: it is the first process of its container, which ends with it.
    """
    outcome = Outcome()
    load = scene.load("kill_web")
    one, two = scene.installation.web
    votes = VOTES_QUICK if scene.is_quick else VOTES_FULL
    with load.running():
        for web in (one, two):
            scene.wait_for_votes(votes)
            outcome.restarts.append(_kill_worker(web))
        scene.wait_for_votes(votes)
        one.kill()
        outcome.restarts.append(one.restart())
        scene.wait_for_votes(votes)
        for web in (one, two):
            web.kill()
        with ThreadPoolExecutor(2) as supervisors:
            outcome.restarts += supervisors.map(Part.restart, (one, two))
        scene.wait_for_votes(votes)
    broken = len(load.failures)
    asked = load.settle()
    outcome.did = f"5 kills under load, {broken} requests broken, {asked} holders asked again"
    return outcome


def _kill_worker(web: Part) -> Restart:
    """The master must replace it."""
    ended = Since()
    dead = web.kill_child()
    wait_until(lambda: bool(set(children(web.pid)) - {dead}), what=f"another worker of {web.name}")
    wait_until(lambda: web.is_up(web), what=web.name)
    return Restart(f"{web.name} (a worker)", ended.seconds(), ended.busy())

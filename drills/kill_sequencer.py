"""kill -9 of the sequencer while ballots come in: the log goes on without a gap or a fork."""

from __future__ import annotations

from ballots.log.models import QueuedEntry
from drills import Outcome
from drills.scene import Scene, wait_until

KILLS = 3
VOTES_QUICK, VOTES_FULL = 12, 300


def run(scene: Scene) -> Outcome:
    """Votes come in while it is dead, and are logged once it is back."""
    outcome = Outcome()
    load = scene.load("kill_sequencer")
    sequencer = scene.installation.parts["sequencer"]
    votes = VOTES_QUICK if scene.is_quick else VOTES_FULL
    waited = 0
    with load.running():
        for turn in range(KILLS):
            scene.wait_for_votes(votes)
            sequencer.kill()
            if turn == 0:
                scene.wait_for_votes(votes)  # nobody who votes waits for it
                waited = QueuedEntry.objects.count()
                outcome.expect(waited >= votes, f"only {waited} entries waited for the sequencer")
                sequencer.kill()  # again, so that the seconds count from here
            outcome.restarts.append(sequencer.restart())
            wait_until(lambda: not QueuedEntry.objects.exists(), what="an empty queue")
    outcome.expect(not load.failures, f"voters noticed: {load.failures[:3]}")
    load.settle()
    outcome.did = f"{KILLS} kills under load, {waited} ballots taken without it"
    return outcome

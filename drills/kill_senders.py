"""kill -9 of workers, timer, carrier and gateway while notices leave: nobody gets two or none."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections import Counter
from datetime import timedelta
from functools import partial

from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from drills import Outcome, messages
from drills.people import make_meeting
from drills.scene import Scene, wait_until
from identity.links import personal_url
from meetings.models import Holder, Meeting
from meetings.register.records import open_person
from notifications import campaigns, claims, tasks
from notifications.models import Campaign, Delivery
from notifications.routing import plan_of
from notifications.wording import default_wording
from voting_portal.common import ids
from voting_portal.gateways.simulator.carrier import is_reachable
from voting_portal.gateways.simulator.inbox import Inbox

HOLDERS_QUICK, HOLDERS_FULL = 3_000, 20_000
DELAY = 0.04  # seconds in which the carrier answers a batch
# What two workers, or four threads of a gateway, have in flight at most.
MOST_IN_FLIGHT = 200
LEASE_OVER = timedelta(minutes=6)  # the drill does not wait five minutes for a dead worker's lease


def run(scene: Scene) -> Outcome:
    outcome = Outcome()
    parts = scene.installation.parts
    holders = HOLDERS_QUICK if scene.is_quick else HOLDERS_FULL
    by_http = _campaign(scene, holders, "sms")
    by_socket = _campaign(scene, holders // 2, "cmpp")
    inbox = Inbox(scene.installation.inbox)
    before = inbox.count()
    _carrier(scene, delay=DELAY)
    for campaign in (by_http, by_socket):
        campaigns.start_campaign(campaign.pk, by="operator:1", now=timezone.now())
    kills = 0

    def after(part_of_all: float) -> None:
        target = before + int(part_of_all * 1.4 * holders * 0.9)
        wait_until(
            lambda: _rung() and inbox.count() >= target, what="messages", progress=inbox.count
        )

    for name, at in (
        ("worker-sending", 0.1),
        ("gateway", 0.2),
        ("beat", 0.3),
        ("simulator", 0.45),
        ("worker-periodic", 0.6),
    ):
        after(at)
        parts[name].kill()
        kills += 1
        outcome.restarts.append(parts[name].restart())
        if name == "simulator":
            _carrier(scene, delay=DELAY)
        claims.reap(now=timezone.now() + LEASE_OVER)
    _carrier(scene, delay=0)
    for campaign in (by_http, by_socket):
        wait_until(
            partial(_is_done, campaign),
            what="the end of a campaign",
            seconds=90,
            progress=inbox.count,
        )
    unknown = 0
    for campaign in (by_http, by_socket):
        # A batch that was taken back while its worker lived would be sent twice: none was.
        states = _states(campaign)
        unknown += sum(state == "UNKNOWN" for state in states.values())
        reachable, arrived = _phones(campaign.meeting, inbox)
        outcome.faults += messages.anomalies(
            states, arrived, reachable=reachable, most_unknown=kills * MOST_IN_FLIGHT
        )
    inbox.close()
    total = sum(Delivery.objects.of_campaign(c).count() for c in (by_http, by_socket))
    outcome.did = (
        f"{kills} kills while {total:,} messages left; {unknown} parked as unknown, none twice"
    )
    return outcome


def _campaign(scene: Scene, holders: int, gateway: str) -> Campaign:
    """A notice to a meeting of its own, approved."""
    meeting = make_meeting(holders=holders, directory=scene.directory, lasts=timedelta(hours=2))
    now = timezone.now()
    campaign = campaigns.plan_campaign(
        meeting.pk,
        wording=default_wording(),
        plan=plan_of(gateway),
        alarm_percent=100,
        by="operator:1",
        now=now,
    )
    campaigns.approve_campaign(campaign.pk, by="operator:2", now=now)
    return campaign


def _rung() -> bool:
    """Ring as the timer does every fifteen seconds; without Redis another time."""
    with contextlib.suppress(OperationalError, RedisError):
        tasks.ring()
    return True


def _is_done(campaign: Campaign) -> bool:
    _rung()
    return Campaign.objects.filter(pk=campaign.pk, state="DONE").exists()


def _states(campaign: Campaign) -> dict[int, str]:
    found = Delivery.objects.of_campaign(campaign).values_list("holder_id", "state")
    return {holder: Delivery.State(state).name for holder, state in found}


def _phones(meeting: Meeting, inbox: Inbox) -> tuple[frozenset[int], Counter[int]]:
    """Holders whose phone can be reached, and how many messages each got, by the links in them."""
    holders = Holder.objects.of_meeting(meeting.pk).exclude(phone_masked="")
    links = {
        personal_url(holder.pk, holder.link_generation).rpartition("/")[2]: holder.pk
        for holder in holders
    }
    reachable = frozenset(h.pk for h in holders if is_reachable(open_person(h).phone))
    arrived: Counter[int] = Counter()
    for message in inbox.read(limit=10_000_000):
        found = messages.LINK.search(message.text)
        if found and found[1] in links:
            arrived[links[found[1]]] += 1
    assert all(ids.meeting_of(holder) == meeting.pk for holder in arrived)
    return reachable, arrived


def _carrier(scene: Scene, *, delay: float) -> None:
    body = json.dumps({"delay": delay, "receipt_delay": 0.3}).encode()
    url = f"{scene.installation.simulator_url}/faults"
    with urllib.request.urlopen(urllib.request.Request(url, body, method="POST"), timeout=5):
        pass

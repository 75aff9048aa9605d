"""Planning a campaign: everybody's delivery and batches, beside a bare INSERT of the same ids."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

from django.db import connection
from django.utils import timezone

from bench import Row, Scale
from bench.meetings import make_meeting
from notifications.models import Campaign, Delivery
from notifications.planning import plan_deliveries
from notifications.routing import plan_of
from voting_portal.common import ids

LEAST = 100_000
FLOOR = """
CREATE TEMP TABLE bare_delivery (LIKE notifications_delivery INCLUDING DEFAULTS);
INSERT INTO bare_delivery (id, holder_id, batch_id, changed_at)
SELECT id << 13, id, id / 500, now() FROM meetings_holder WHERE id >= %s AND id < %s
"""


def measure(scale: Scale) -> Iterator[Row]:
    """Ten holders a row that is asked for: what stands here for a million."""
    holders = max(LEAST, 10 * scale.rows)
    meeting = make_meeting(holders)
    campaign = Campaign.objects.create(
        meeting=meeting, number=0, plan=plan_of("sms"), created_by="operator:1"
    )
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(FLOOR, ids.holder_range(meeting.pk))
    floor = time.perf_counter() - began

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    planned = plan_deliveries(campaign, now=timezone.now())
    ours = time.perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert planned == holders == Delivery.objects.of_campaign(campaign).count()
    note = f"{holders:,} deliveries; floor: no batches, no index, no key; memory +{grown} MB"
    yield Row("plan", ours, floor, "s", is_rate=False, note=note)

"""What PostgreSQL and Redis say about the portal's health, asked when the monitoring asks.

Each statement returns rows of (label, number) and is cheap: a small table, a partial index or a
system view. The one pass over deliveries is made at most once a minute for all servers. No
statement reads ballots, and deliveries of a meeting are told only while its polls are not open: how
many are not written to tells how many have voted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import Error, connection, connections, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ballots.log import sequencer
from retention import periods
from voting_portal import replica

TIMER_KEY = "timer-rang"
DELIVERIES_KEY, DELIVERIES_SECONDS = "metrics-deliveries", 60
STATEMENT_TIMEOUT = "2s"


@dataclass(frozen=True)
class Fact:
    """A gauge: its series are 0 where the statement returns no row for a label."""

    name: str
    help: str
    sql: str
    label: str = ""
    values: tuple[str, ...] = ("",)

    def family(self, found: dict[str, float]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(self.name, self.help, labels=[self.label] if self.label else [])
        for value in self.values:
            family.add_metric([value] if self.label else [], float(found.get(value, 0)))
        return family


FACTS = (
    Fact(
        "portal_polls_open",
        "Meetings whose polls are open now.",
        """
        SELECT CASE WHEN is_rehearsal THEN 'rehearsal' ELSE 'meeting' END, count(*)
        FROM meetings_meeting
        WHERE state IN ('INVITED', 'OPEN') AND polls_sealed_at IS NULL
          AND clock_timestamp() BETWEEN polls_open_at AND polls_close_at
        GROUP BY 1
        """,
        "kind",
        ("meeting", "rehearsal"),
    ),
    Fact(
        "portal_meeting_overdue_seconds",
        "How late the step of the timer is that is most overdue.",
        """
        SELECT CASE state WHEN 'INVITED' THEN 'open' ELSE 'close' END,
               max(EXTRACT(epoch FROM clock_timestamp()
                           - CASE state WHEN 'INVITED' THEN polls_open_at ELSE polls_close_at END))
        FROM meetings_meeting
        WHERE (state = 'INVITED' AND polls_open_at < clock_timestamp())
           OR (state = 'OPEN' AND polls_close_at < clock_timestamp())
        GROUP BY 1
        """,
        "step",
        ("open", "close"),
    ),
    Fact(
        "portal_campaigns",
        "Campaigns that run, and campaigns that were paused.",
        """
        SELECT lower(state), count(*) FROM notifications_campaign
        WHERE state IN ('RUNNING', 'PAUSED') GROUP BY 1
        """,
        "state",
        ("running", "paused"),
    ),
    Fact(
        "portal_batches",
        "Batches of running campaigns that wait, and that a worker has claimed.",
        """
        SELECT lower(batch.state), count(*)
        FROM notifications_deliverybatch AS batch
        JOIN notifications_campaign AS campaign ON campaign.id = batch.campaign_id
        WHERE batch.state IN ('READY', 'LEASED') AND campaign.state = 'RUNNING' GROUP BY 1
        """,
        "state",
        ("ready", "leased"),
    ),
    Fact(
        "portal_queue_age_seconds",
        "How long the oldest thing waits: a register, a receipt that is due, a lease that ran out.",
        """
        SELECT 'registers', EXTRACT(epoch FROM clock_timestamp() - min(uploaded_at))
        FROM meetings_register WHERE state = 'RECEIVED' HAVING count(*) > 0
        UNION ALL
        SELECT 'receipts', EXTRACT(epoch FROM clock_timestamp() - min(due_at))
        FROM notifications_receipt
        WHERE applied_at IS NULL AND due_at <= clock_timestamp() HAVING count(*) > 0
        UNION ALL
        SELECT 'leases', EXTRACT(epoch FROM clock_timestamp() - min(lease_until))
        FROM notifications_deliverybatch
        WHERE state = 'LEASED' AND lease_until < clock_timestamp() HAVING count(*) > 0
        """,
        "queue",
        ("registers", "receipts", "leases"),
    ),
    Fact(
        "portal_purge_overdue_seconds",
        "For how long personal data is kept that should be gone: due, begun, or of a meeting that"
        " was forgotten.",
        periods.OVERDUE,
        "which",
        ("due", "begun", "forgotten"),
    ),
    Fact(
        "portal_receipts_waiting",
        "Receipts that are not applied yet.",
        "SELECT '', count(*) FROM notifications_receipt WHERE applied_at IS NULL",
    ),
    Fact(
        "portal_incidents_open",
        "Incidents that nobody has taken on yet, by severity.",
        """
        SELECT lower(severity), count(*) FROM incidents_incident WHERE state = 'OPEN' GROUP BY 1
        """,
        "severity",
        ("page", "ticket"),
    ),
    Fact(
        "portal_database_connections",
        "Connections to PostgreSQL, and how many it takes.",
        """
        SELECT 'used', count(*)::float FROM pg_stat_activity WHERE backend_type = 'client backend'
        UNION ALL SELECT 'most', current_setting('max_connections')::float
        """,
        "which",
        ("used", "most"),
    ),
    Fact(
        "portal_database_oldest_transaction_seconds",
        "Age of the oldest transaction of this database.",
        """
        SELECT '', COALESCE(max(EXTRACT(epoch FROM clock_timestamp() - xact_start)), 0)
        FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND backend_type = 'client backend'
        """,
    ),
    # What is written goes into the archive within a minute (archive_timeout), so a segment that is
    # full and not there, or one that was refused, is late since the last one that was taken.
    Fact(
        "portal_archive_behind_seconds",
        "Since when the archive has taken nothing of what PostgreSQL wrote; 0 while it takes all.",
        """
        SELECT '', EXTRACT(epoch FROM clock_timestamp() - COALESCE(last_archived_time, stats_reset))
        FROM pg_stat_archiver
        WHERE current_setting('archive_mode') <> 'off'
          AND (last_failed_time > COALESCE(last_archived_time, '-infinity')
               OR (pg_split_walfile_name(pg_walfile_name(pg_current_wal_lsn()))).segment_number
                  > 1 + (pg_split_walfile_name(substring(last_archived_wal, '^[0-9A-F]{24}')))
                    .segment_number)
        """,
    ),
)
# From the opening to the seal deliveries tell of votes, since whoever has voted is not written to
# (notifications/progress.py): of such meetings none is counted.
DELIVERIES = Fact(
    "portal_deliveries_share",
    "Share of the running campaigns' deliveries by state, 0 to 1; not while polls are open.",
    """
    SELECT CASE WHEN delivery.state = 10 THEN 'queued' WHEN delivery.state = 20 THEN 'sending'
                WHEN delivery.state = 25 THEN 'unknown'
                WHEN delivery.state IN (45, 46, 50) THEN 'failed'
                ELSE 'done' END,
           count(*)::float / sum(count(*)) OVER ()
    FROM notifications_delivery AS delivery
    JOIN notifications_deliverybatch AS batch ON batch.id = delivery.batch_id
    JOIN notifications_campaign AS campaign ON campaign.id = batch.campaign_id
    JOIN meetings_meeting AS meeting ON meeting.id = campaign.meeting_id
    WHERE campaign.state IN ('RUNNING', 'PAUSED')
      AND (clock_timestamp() < meeting.polls_open_at OR meeting.polls_sealed_at IS NOT NULL)
    GROUP BY 1
    """,
    "state",
    ("queued", "sending", "unknown", "failed", "done"),
)


class Facts(Collector):
    """The gauges for one scrape at `now`; what does not answer is left out and said to be down."""

    def __init__(self, *, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families: list[GaugeMetricFamily] = []
        database = redis_is = 0
        with contextlib.suppress(Error), transaction.atomic():
            families += [fact.family(_ask(fact)) for fact in FACTS]
            families.append(_of_the_log())
            database = 1
        with contextlib.suppress(redis.RedisError, OSError):
            families += _of_redis(self.now)
            redis_is = 1
        if database:
            with contextlib.suppress(Error):
                families.append(DELIVERIES.family(_deliveries()))
            with contextlib.suppress(Error):
                families += _of_the_replica()
        yield GaugeMetricFamily("portal_database_up", "PostgreSQL answers.", value=database)
        yield GaugeMetricFamily("portal_redis_up", "Redis answers.", value=redis_is)
        yield from families


def _of_the_log() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "portal_log_behind_seconds",
        "How long the oldest entry waits for the ballot log.",
        value=sequencer.seconds_behind(),
    )


def _of_the_replica() -> list[GaugeMetricFamily]:
    """Without a series where there is no replica; without an age where it does not answer."""
    up = GaugeMetricFamily("portal_replica_up", "The replica answers, and follows the primary.")
    behind = GaugeMetricFamily(
        "portal_replica_behind_seconds", "How old the replica is; 0 while it has replayed all."
    )
    if replica.REPLICA in connections.databases:
        seconds = replica.seconds_behind()
        up.add_metric([], float(seconds is not None))
        if seconds is not None:
            behind.add_metric([], seconds)
    return [up, behind]


def _ask(fact: Fact) -> dict[str, float]:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'")
        cursor.execute(fact.sql)
        return {label: float(number) for label, number in cursor.fetchall()}


def _deliveries() -> dict[str, float]:
    """The shares, from the cache that all servers share; without Redis they are asked anew."""
    with contextlib.suppress(redis.RedisError, OSError):
        found: dict[str, float] | None = cache.get(DELIVERIES_KEY)
        if found is not None:
            return found
    with transaction.atomic():
        found = _ask(DELIVERIES)
    with contextlib.suppress(redis.RedisError, OSError):
        cache.set(DELIVERIES_KEY, found, DELIVERIES_SECONDS)
    return found


def _of_redis(now: datetime) -> list[GaugeMetricFamily]:
    queues = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    queues.add(settings.CELERY_TASK_DEFAULT_QUEUE)
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1) as broker:
        lengths = {queue: float(broker.llen(queue)) for queue in queues}
    length = Fact(
        "portal_queue_length",
        "Tasks that wait for a worker, by queue.",
        *("", "queue", tuple(sorted(queues))),
    )
    rang = cache.get(TIMER_KEY)
    age = GaugeMetricFamily("portal_timer_age_seconds", "Since beat and a worker last rang.")
    if rang is not None:
        age.add_metric([], max(0.0, now.timestamp() - rang))
    return [length.family(lengths), age]

"""What each process counts for the exchange's monitoring (监控指标); see voting_portal/metrics.py.

Counts name views, refusals and limits, never a holder, a meeting or an address. Counting ends at
the door of the ballot: no ballot that was cast is counted, and no page that only a voter on the way
to one sees, so that nobody learns the turnout before the close.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "portal_requests",
    "Requests by view and status; of the pages of a ballot only those that failed.",
    ["view", "status"],
)
SECONDS = Histogram(
    "portal_request_seconds",
    "Seconds until an answer, by view; not of the pages of a ballot.",
    ["view"],
    buckets=(0.05, 0.2, 1, 5),
)
CASTS_REFUSED = Counter(
    "portal_casts_refused", "Ballots that were not taken, by the word for the reason.", ["reason"]
)
CODES = Counter("portal_codes", "One-time codes handed to the gateway, by outcome.", ["outcome"])
LIMITS_HIT = Counter("portal_limits_hit", "Requests refused by a limit, by its name.", ["limit"])
INVALID_LINKS = Counter("portal_invalid_links", "Links asked for that are not in force.")

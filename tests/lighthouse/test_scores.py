"""Lighthouse's own opinion of the pages, on a slow phone as it simulates one: `make lighthouse`.

It needs npm's package and a Chromium, and a quiet machine; elsewhere it is left out.
"""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from identity import voters
from identity.links import Link, personal_url
from meetings.agenda import read_agenda
from meetings.models import Motion
from tests.factories import make_holder, make_issuer, make_meeting
from tests.journeys.conftest import CHROMIUM

LIGHTHOUSE = os.environ.get("LIGHTHOUSE", "")
LEAST = 95
CATEGORIES = ("performance", "accessibility", "best-practices")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not LIGHTHOUSE, reason="LEFT OUT: say `make lighthouse`"),
]


@pytest.fixture
def meeting(live_server, settings):
    """Ten motions, one of them an election."""
    settings.PUBLIC_URL = live_server.url
    meeting = make_meeting(issuer=make_issuer(short_name="浦江科技"))
    Motion.objects.bulk_create(
        Motion(meeting=meeting, group=group, title=f"关于第{group}项重大事项及相关安排的议案")
        for group in range(4, 11)
    )
    return meeting


def cookie_of(holder):
    """What a verified browser of the holder sends."""
    now, response = timezone.now(), HttpResponse()
    voter = voters.begin(Link(holder.pk, holder.meeting_id, 0), now=now)
    voters.keep(response, voters.verified(voter, level=1, now=now))
    return "; ".join(f"{name}={morsel.value}" for name, morsel in response.cookies.items())


def scores_of(url, cookie):
    """Category -> score of 100, and what was marked down."""
    command = [LIGHTHOUSE, url, "--quiet", "--output=json", "--output-path=stdout"]
    command += [f"--only-categories={','.join(CATEGORIES)}"]
    command += ["--chrome-flags=--headless=new --no-sandbox"]
    if cookie:
        command += [f"--extra-headers={json.dumps({'Cookie': cookie})}"]
    done = subprocess.run(
        command,
        env={**os.environ, "CHROME_PATH": str(CHROMIUM)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    report = json.loads(done.stdout)
    scores = {name: round(100 * report["categories"][name]["score"]) for name in CATEGORIES}
    low = [
        audit["id"]
        for audit in report["audits"].values()
        if audit["score"] is not None and audit["score"] < 0.9
    ]
    return report["finalDisplayedUrl"], scores, low


def test_the_pages_of_a_vote_score_95_or_more(meeting, live_server, capsys):
    voter, voted = make_holder(meeting, shares=12_300), make_holder(meeting, shares=500)
    cast_ballot(
        entitlement=read_entitlement(voted.pk, 0),
        agenda=read_agenda(meeting.pk),
        share_class=0,
        choices={f"{group}.00": "FOR" for group in (1, 2, *range(4, 11))},
        level=1,
    )
    pages = {
        "landing": (personal_url(voter.pk, 0), ""),
        "ballot": (reverse("ballots:ballot", args=[meeting.pk]), cookie_of(voter)),
        "confirmation": (reverse("ballots:confirmation", args=[meeting.pk]), cookie_of(voted)),
    }

    found = {}
    with capsys.disabled():
        print(f"\n{'':<14}{''.join(f'{category:>16}' for category in CATEGORIES)}", end="")
    for name, (address, cookie) in pages.items():
        url = address if address.startswith("http") else live_server.url + address
        shown, scores, low = scores_of(url, cookie)
        assert shown == url
        found[name] = scores
        with capsys.disabled():
            row = "".join(f"{scores[category]:>16}" for category in CATEGORIES)
            why = " ".join(low) if min(scores.values()) < LEAST else ""
            print(f"\n{name:<14}{row}  {why}", end="")

    assert not {n: s for n, s in found.items() if min(s.values()) < LEAST}

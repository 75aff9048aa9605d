"""Our signatures, requests and simulator against the official SDKs of the three clouds.

The SDK sends the same message as our gateway to the same simulated carrier. It must be understood
there as ours is, understand the answer, and have said the same: so that neither our reading of the
documents nor our simulator is the only judge of the other. `make peers` installs the SDKs.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from django.conf import settings
from django.utils import timezone

from tests.gateways.http_ways import message, way_over
from voting_portal.gateways import Outcome, canonical
from voting_portal.gateways.protocol import Handed

PYTHON = Path(settings.BASE_DIR) / ".data" / "peers" / "bin" / "python"
SCRIPT = Path(__file__).with_name("sdk_requests.py")
PHONE, LINK = "15400000001", "https://vote.example/v/1"

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(
        not PYTHON.with_name("sdks").exists(), reason="the SDKs are not installed: make peers"
    ),
]


class Overheard:
    """What a carrier was asked, in the order of the requests."""

    def __init__(self, way):
        self.way, self.posts = way, []
        self._answer = way.carrier.answer
        way.carrier.answer = self._listen

    def _listen(self, post):
        self.posts.append(post)
        return self._answer(post)

    def by_sdk(self, call):
        """What the SDK made of the answer to its request."""
        run = subprocess.run(
            [PYTHON, SCRIPT, f"{call}", self.way.simulator_url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == 0, run.stderr[-2_000:]
        return json.loads(run.stdout)


@pytest.fixture
def overheard(request, tmp_path):
    """A carrier that stands at the root of its server, where the SDKs look for it."""
    with way_over(request.param, tmp_path / "inbox.sqlite3", at_root=True) as way:
        yield Overheard(way)


def over(dialect):
    return pytest.mark.parametrize("overheard", [dialect], indirect=True)


def said(post):
    """Names and values of a request, wherever they stand."""
    form = {**post.query, **dict(parse_qsl(post.body.decode()))}
    try:
        return json.loads(post.body)
    except ValueError:
        return {name: read(value) for name, value in form.items()}


def read(value):
    try:
        found = json.loads(value)
    except ValueError:
        return value
    if isinstance(found, list):
        return [
            {**one, "dyncParams": json.loads(one["dyncParams"])} if "dyncParams" in one else one
            for one in found
        ]
    return found


def signed_names(post):
    return post.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")


@pytest.mark.parametrize(
    ("overheard", "call", "secret"),
    [
        ("alibaba", "alibaba-text", "SK"),
        ("alibaba_card", "alibaba-card", "SK"),
        ("alibaba_rcs", "alibaba-rcs", "SK"),
        ("tencent", "tencent-text", "SK"),
        ("yuexin", "yuexin-send", "SK"),
    ],
    indirect=["overheard"],
)
def test_the_sdk_and_the_gateway_say_the_same_and_sign_alike(overheard, call, secret):
    overheard.by_sdk(call)
    (ours,) = overheard.way.gateway.send([message("1", PHONE, link=LINK)])

    theirs_post, our_post = overheard.posts
    assert ours.outcome is Outcome.ACCEPTED
    assert [m.phone for m in overheard.way.inbox.read()] == [PHONE, PHONE]
    assert len({(m.text, m.kind, m.link) for m in overheard.way.inbox.read()}) == 1
    assert said(our_post) == said(theirs_post)
    for post in (theirs_post, our_post):
        request = canonical.Request("POST", post.path, post.headers, post.body, post.query)
        assert canonical.signed_by(request, secret=secret) == "AK"
        assert not canonical.signed_by(request, secret="a guess")
    assert "host" in signed_names(our_post)


@over("alibaba")
def test_alibabas_sdk_reads_the_simulated_answer(overheard):
    answer = overheard.by_sdk("alibaba-text")

    assert answer["Code"] == "OK"
    assert answer["BizId"]


@over("tencent")
def test_tencents_sdk_reads_the_simulated_answer(overheard):
    answer = overheard.by_sdk("tencent-text")

    (status,) = answer["SendStatusSet"]
    assert (status["Code"], status["SessionContext"]) == ("Ok", "1")


@over("yuexin")
def test_koomessages_sdk_reads_the_simulated_answer(overheard):
    answer = overheard.by_sdk("yuexin-send")

    assert answer["task_state"] == "Success"
    assert answer["task_id"]


@over("yuexin_links")
def test_short_links_are_asked_for_as_the_sdk_asks_and_it_reads_the_answer(overheard):
    answer = overheard.by_sdk("yuexin-links")
    overheard.way.gateway.send([message("1", PHONE, link=LINK)])

    theirs, ours, _sms = overheard.posts
    assert said(ours) == said(theirs)
    assert answer["params"][0]["aim_url"].startswith("km2n.example/")
    for post in (theirs, ours):
        request = canonical.Request("POST", post.path, post.headers, post.body, post.query)
        assert canonical.signed_by(request, secret="SK") == "AK"


@over("tencent")
def test_the_question_what_became_of_a_message_is_asked_as_the_sdk_asks(overheard):
    overheard.by_sdk("tencent-status")
    overheard.way.gateway.query([Handed("1", "", PHONE, timezone.now())])

    theirs, ours = (said(post) for post in overheard.posts)
    assert ours.keys() == theirs.keys()
    assert ours["PhoneNumber"] == theirs["PhoneNumber"]


@pytest.mark.parametrize(
    ("overheard", "call"),
    [
        ("alibaba_card", "alibaba-lookup"),
        ("alibaba_rcs", "alibaba-capable"),
        ("yuexin", "yuexin-lookup"),
    ],
    indirect=["overheard"],
)
def test_capabilities_are_asked_as_the_sdk_asks(overheard, call):
    overheard.by_sdk(call)
    overheard.way.gateway.supports([PHONE])

    theirs, ours = (said(post) for post in overheard.posts)
    assert ours.keys() == theirs.keys()

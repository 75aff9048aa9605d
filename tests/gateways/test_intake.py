"""The way into a gateway's process for what cannot wait, over real sockets."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.gateways import lines
from tests.gateways.conftest import SECRET
from tests.gateways.lines import until
from voting_portal.gateways import Message, Outcome, send_now
from voting_portal.gateways.http_batch import HttpBatchGateway
from voting_portal.gateways.intake import Intake
from voting_portal.gateways.signing import signed_headers
from voting_portal.gateways.simulator.carrier import Faults

PHONE = "15400000001"


@pytest.fixture
def line(tmp_path):
    with lines.line_to_carrier("cmpp3", tmp_path / "inbox.sqlite3", rate=50) as line:
        yield line


@pytest.fixture
def intake(line):
    options = {"url": f"http://127.0.0.1:{lines.free_port()}", "secret": SECRET}
    intake = Intake(line.account, options)
    intake.start()
    yield options
    intake.stop()


def post(intake, body, *, headers=None, path="/messages"):
    signed = signed_headers(SECRET, body, now=timezone.now()) if headers is None else headers
    request = urllib.request.Request(intake["url"] + path, body, signed, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def test_a_code_from_another_process_overtakes_the_campaign(line, intake, settings):
    campaign = [Message(str(n), PHONE, "通知") for n in range(100)]
    # In the process of the web this gateway has no links, only the address of the intake.
    options = lines.options_of("cmpp3", url="tcp://127.0.0.1:9", intake=intake)
    settings.GATEWAYS = {"sms": options}
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(line.gateway.send, campaign)
        time.sleep(0.1)

        result = send_now(Message("code-1", PHONE, "验证码123456"))

        assert result.outcome is Outcome.ACCEPTED
        assert not sending.done()
        sending.result()
    until(lambda: line.inbox.count() == 101)


def test_what_the_carrier_says_comes_back(line, intake):
    gateway = HttpBatchGateway("codes", {**intake, "rate": 1})
    line.server.carrier.faults = Faults(throttle=1)

    first = gateway.send([Message("1", PHONE, "x"), Message("2", "nobody", "y")])

    assert [r.outcome for r in first] == [Outcome.THROTTLED, Outcome.REJECTED]


def test_an_answer_that_never_came_is_unknown(line, intake):
    gateway = HttpBatchGateway("codes", {**intake, "rate": 1})
    line.server.carrier.faults = Faults(drop=True)

    (result,) = gateway.send([Message("1", PHONE, "x")])

    assert result.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("body", "headers", "path", "status"),
    [
        (b'[{"id":"1","to":"15400000001","text":"x"}]', {}, "/messages", 401),
        (b"[1]", None, "/messages", 400),
        (b"{", None, "/messages", 400),
        (b"[]", None, "/faults", 404),
    ],
)
def test_a_stranger_or_nonsense_sends_nothing(line, intake, body, headers, path, status):  # noqa: PLR0917
    assert post(intake, body, headers=headers, path=path) == status
    assert line.inbox.count() == 0


def test_an_old_signature_is_refused(line, intake):
    body = json.dumps([{"id": "1", "to": PHONE, "text": "x"}]).encode()
    headers = signed_headers(SECRET, body, now=timezone.now() - timedelta(minutes=6))

    assert post(intake, body, headers=headers) == 401
    assert line.inbox.count() == 0


@pytest.mark.parametrize("url", ["http://0.0.0.0:8010", "http://10.0.0.1:8010", "http://127.0.0.1"])
def test_it_listens_on_the_loopback_interface_unless_another_is_named(line, url):
    with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
        Intake(line.account, {"url": url, "secret": SECRET})


def test_it_listens_where_containers_of_one_network_find_it(line):
    port = lines.free_port()
    options = {"url": f"http://gateway:{port}", "secret": SECRET, "listen": f"127.0.0.1:{port}"}

    with Intake(line.account, options) as intake:
        assert intake.server_address == ("127.0.0.1", port)

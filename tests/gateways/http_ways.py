"""A gateway of each HTTP dialect with its simulated carrier, over real sockets."""

from __future__ import annotations

import json
import time
import urllib.request
from contextlib import contextmanager

from django.utils import timezone

from tests.gateways.conftest import SECRET, Portal, serving
from voting_portal.gateways import DIALECTS, Message
from voting_portal.gateways.simulator.carrier import Faults
from voting_portal.gateways.simulator.carriers import hire
from voting_portal.gateways.simulator.server import Simulator

KEY = "a-key-of-the-tests-0123456789"
WORDS = {"简称": "虚构一", "投票码": "7K3P9QXM"}
TEXT_TEMPLATE = {"code": "SMS_1", "words": {"name": "简称", "vote_code": "投票码"}}
LISTED_TEMPLATE = {"code": "1001", "words": ["简称", "投票码"]}
CLOUD = {"sign_name": "上证信息", "access_key_id": "AK", "access_key_secret": "SK"}
BOT = {
    "chatbot_id": "sip:106500@botplatform.example",
    "app_id": "app",
    "app_key": "app key of the tests",
    "receipt_token": "tok123",
}

OPTIONS = {
    "http_batch": {"secret": SECRET},
    "webhook": {"secret": SECRET, "phone_key": "agreed with the broker"},
    "alibaba": {**CLOUD, "templates": [TEXT_TEMPLATE]},
    "alibaba_card": {**CLOUD, "templates": [TEXT_TEMPLATE], "sms_template": TEXT_TEMPLATE},
    "alibaba_rcs": {**CLOUD, "templates": [{"code": "RCS_1", "words": {"name": "简称"}}]},
    "tencent": {
        "secret_id": "AK",
        "secret_key": "SK",
        "app_id": "1400006666",
        "sign_name": "上证信息",
        "templates": [LISTED_TEMPLATE],
    },
    "botmessage": BOT,
    "openchatbot": BOT,
    "kannel": {
        "username": "vote",
        "password": "pw of the tests",
        "secret": SECRET,
        "receipts_url": "https://vote.example.cn/gateway/kannel/receipts",
        "src_id": "10690001",
    },
    "yuexin": {
        **CLOUD,
        "templates": [{"code": "600000001", "words": {"title": "简称"}}],
        "sms_template": LISTED_TEMPLATE,
        "channel_number": "8822053111111",
        "app_name": "portal",
    },
}
# Its second step has faults of its own, so it keeps another contract: test_yuexin_links.py.
TWO_STEPS = {
    **CLOUD,
    "templates": [{"code": "600000001", "words": {"title": "简称"}}],
    "sms": {"dialect": "http_batch", "secret": SECRET},
}


class Way:
    """A gateway, its carrier, and the receipts that the carrier posted."""

    def __init__(self, dialect, simulator, portal, *, at_root=False, **changes):
        options = {
            "dialect": dialect,
            "url": f"{simulator.url}/{dialect}",
            "rate": 1_000,
            "receipt_key": KEY,
            **(TWO_STEPS if dialect == "yuexin_links" else OPTIONS[dialect]),
        }
        self.dialect, self.options = dialect, options
        self.inbox, self.posted, self._read = simulator.inbox, portal.receipts, []
        hired = hire(
            {dialect: options},
            simulator_url=simulator.url,
            portal=f"http://127.0.0.1:{portal.server_port}",
            inbox=simulator.inbox,
        )
        simulator.others |= hired
        self.carrier = hired[dialect]
        self.simulator_url = simulator.url
        if at_root:
            simulator.carrier = self.carrier
            changes["url"] = simulator.url
        self.gateway = DIALECTS[dialect](dialect, {**options, **changes})

    def ask(self, **faults):
        self.carrier.faults = Faults(**faults)

    def hear(self, number):
        """The next so many lines of receipts."""
        while len(self._read) < number:
            headers, body = self.posted.get(timeout=30)
            self._read += self.gateway.read_receipts(headers, body, now=timezone.now())
        heard, self._read = self._read[:number], self._read[number:]
        return heard

    def says(self, line):
        """What a line names its message by, as the engine looks for it."""
        return line.ref or (line.gateway_ref, line.phone)

    def name(self, result, message):
        """By what receipts name the message of this result."""
        return (result.refs[0], message.phone) if self.names_by_refs else result.ref

    @property
    def names_by_refs(self):
        return self.dialect in ("alibaba", "alibaba_card", "openchatbot", "yuexin")


@contextmanager
def way_over(dialect, inbox_file, **changes):
    """A way over a simulator of its own; `changes` are to the gateway's options only."""
    with serving(Portal()) as portal:
        simulator = Simulator(0, inbox_file, secret=SECRET, receipt_url="")
        with serving(simulator):
            yield Way(dialect, simulator, portal, **changes)


def message(ref, phone, **changes):
    link = f"https://vote.example/v/1abcd2efgh3ijkl4mnop{ref:0>5}"
    said = {
        "text": f"【上证信息】您持有的虚构一开股东会,点此投票 {link} 请勿转发",
        "title": "虚构一2026年第二次临时股东会",
        "link": link,
        "variables": WORDS,
    }
    return Message(ref, phone, **{**said, **changes})


def until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def post(url, content):
    request = urllib.request.Request(url, json.dumps(content).encode(), method="POST")
    with urllib.request.urlopen(request) as response:
        return response.status, response.read()

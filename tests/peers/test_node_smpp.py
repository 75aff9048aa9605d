"""Our SMPP links against node-smpp."""

from __future__ import annotations

import re
from collections import defaultdict

from tests.gateways import lines
from voting_portal.gateways import Message, Outcome
from voting_portal.gateways.protocol import Report

LONG = "【上证信息】" + "您持有的虚构一股东会𠮷" * 20


def line_to(smsc, **options):
    url = f"tcp://127.0.0.1:{smsc.port}"
    return lines.opened(lines.options_of("smpp", url=url, **options))


def test_messages_and_their_receipts_go_through(smsc):
    messages = [Message(str(n), f"154{n:07d}1", f"【上证信息】第{n}条") for n in range(300)]

    with line_to(smsc, links=2) as line:
        results = line.gateway.send(messages)
        receipts = line.hear(300)

    assert {result.outcome for result in results} == {Outcome.ACCEPTED}
    assert {receipt.report for receipt in receipts} == {Report.DELIVERED}
    assert {receipt.gateway_ref for receipt in receipts} == {r.gateway_ref for r in results}
    taken = {part["to"]: part["text"] for part in smsc.take(300)}
    assert taken == {message.phone: message.text for message in messages}


def test_a_long_message_is_put_together_from_its_parts(smsc):
    with line_to(smsc) as line:
        (result,) = line.gateway.send([Message("1", "15400000001", LONG)])
        receipts = line.hear(len(result.refs))

    parts = defaultdict(str)
    for part in smsc.take(len(result.refs)):
        _reference, total, number = re.search(r"0003(..)(..)(..)$", part["udh"]).groups()
        assert int(total, 16) == len(result.refs)
        parts[int(number, 16)] = part["text"]
    assert "".join(parts[number] for number in sorted(parts)) == LONG
    assert {receipt.gateway_ref for receipt in receipts} == set(result.refs)


def test_what_it_refuses_is_understood(smsc):
    messages = [Message("1", "15400000019", "x"), Message("2", "15400000018", "y")]

    with line_to(smsc) as line:
        results = line.gateway.send(messages)

    assert [result.outcome for result in results] == [Outcome.THROTTLED, Outcome.REJECTED]


def test_an_account_that_it_does_not_know_is_our_own_fault(smsc):
    with line_to(smsc, password="wrong") as line:
        (result,) = line.gateway.send([Message("1", "15400000001", "x")])

    assert (result.outcome, result.reason) == (Outcome.MISCONFIGURED, "bind 0xd")


def test_a_phone_that_is_not_reached_is_reported(smsc):
    with line_to(smsc) as line:
        line.gateway.send([Message("1", "15400000013", "x")])
        (receipt,) = line.hear(1)

    assert (receipt.report, receipt.reason) == (Report.FAILED, "UNDELIV 000")

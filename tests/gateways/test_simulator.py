"""The simulated handset, and the command that runs it."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.gateways.http_ways import OPTIONS
from voting_portal.gateways.simulator.carrier import Faults
from voting_portal.gateways.simulator.carriers import hire
from voting_portal.gateways.simulator.inbox import Arrival, Inbox

NOW = datetime(2026, 6, 26, 1, 15, tzinfo=UTC)


def get(simulator, path):
    with urllib.request.urlopen(simulator.url + path) as response:
        return response.headers, response.read().decode()


def test_the_newest_message_stands_first(simulator):
    simulator.inbox.receive(
        [("1", "15400000001", "earlier"), ("2", "15400000002", "later")], now=NOW
    )

    _headers, page = get(simulator, "/")

    assert page.index("later") < page.index("earlier")
    assert "6月26日 09:15:00" in page  # Beijing time


def test_a_text_is_shown_as_sent_with_its_link_to_tap_and_nothing_to_run(simulator):
    text = "【上证信息】<script>alert(1)</script> https://vote.example/v/Ab3dE 请勿转发"
    simulator.inbox.receive([("1", "15400000001", text)], now=NOW)

    headers, page = get(simulator, "/")

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert 'href="https://vote.example/v/Ab3dE"' in page
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "style=" not in page


def test_a_card_shows_its_kind_its_title_and_its_button(simulator):
    link = "https://vote.example/v/Ab3dE"
    card = Arrival("1", "15400000001", "请投票", "rcs", "<b>股东会</b>", link, "立即投票")
    simulator.inbox.receive([card, ("2", "15400000002", "plain")], now=NOW)

    _headers, page = get(simulator, "/")

    assert "5G消息" in page
    assert "<h2>&lt;b&gt;股东会&lt;/b&gt;</h2>" in page
    assert f'<a href="{link}">立即投票</a>' in page
    assert page.count("<h2>") == 1


def test_a_link_that_is_no_address_is_not_made_one(simulator):
    card = Arrival("1", "15400000001", "x", "rcs", "t", "javascript:alert(1)", "立即投票")

    simulator.inbox.receive([card], now=NOW)

    _headers, page = get(simulator, "/")
    assert "javascript:" not in page


@pytest.mark.parametrize("number", ["15400000002", "0002"])
def test_a_phone_is_found_by_its_number_or_last_digits(simulator, number):
    simulator.inbox.receive([("1", "15400000001", "one"), ("2", "15400000002", "two")], now=NOW)

    _headers, page = get(simulator, f"/?to={number}")
    _headers, found = get(simulator, f"/messages.json?to={number}")

    assert "two" in page
    assert ">one<" not in page
    assert [message["text"] for message in json.loads(found)] == ["two"]


def test_a_page_holds_fifty_messages_and_leads_to_older_ones(simulator):
    simulator.inbox.receive([(str(n), "15400000001", f"no {n}.") for n in range(60)], now=NOW)

    _headers, page = get(simulator, "/")
    _headers, older = get(simulator, "/?to=&before=11")

    assert page.count("<li>") == 50
    assert "before=11" in page
    assert older.count("<li>") == 10
    assert "no 0." in older


def test_a_search_field_keeps_what_was_typed_without_running_it(simulator):
    _headers, page = get(simulator, "/?to=%22%3E%3Cscript%3E")

    assert "<script" not in page


def test_messages_outlive_the_simulator(tmp_path):
    first = Inbox(tmp_path / "inbox.sqlite3")
    first.receive([("1", "15400000001", "kept")], now=NOW)
    first.close()

    second = Inbox(tmp_path / "inbox.sqlite3")

    assert [message.text for message in second.read()] == ["kept"]
    second.close()


def test_an_unknown_fault_is_refused_and_changes_nothing(simulator, break_it):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        break_it(explode=True)

    assert refusal.value.code == 400
    assert simulator.carrier.faults.delay == 0.0
    refusal.value.close()


def test_a_fault_is_asked_of_every_carrier_at_once(simulator, break_it):
    gateways = {
        name: {"dialect": name, "url": f"{simulator.url}/{name}", **options}
        for name, options in OPTIONS.items()
    }
    simulator.others |= hire(
        gateways, simulator_url=simulator.url, portal="http://127.0.0.1:9", inbox=simulator.inbox
    )

    break_it(garbage=True, slow=0.2)

    carriers = [simulator.carrier, *simulator.others.values()]
    assert len(carriers) == len(OPTIONS) + 1
    assert all(carrier.faults == Faults(garbage=True, slow=0.2) for carrier in carriers)


def test_production_has_no_simulator(settings):
    settings.IS_PRODUCTION = True

    with pytest.raises(CommandError, match="not in production"):
        call_command("run_simulator", stdout=StringIO())


def test_a_taken_port_says_what_to_do(simulator, tmp_path):
    with pytest.raises(CommandError, match="SIMULATOR_URL"):
        call_command(
            "run_simulator", port=simulator.server_port, inbox=tmp_path / "x", stdout=StringIO()
        )

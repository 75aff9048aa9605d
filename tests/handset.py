"""The simulated handset as a fixture: a real carrier over HTTP, and what phones received."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from voting_portal.gateways.simulator.server import Simulator

SECRET = "a-secret-of-the-tests"


class Handset:
    """What the phones got; `simulator.carrier.faults` makes the carrier misbehave."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def texts(self, phone: str) -> list[str]:
        """Newest first."""
        return [message.text for message in self.simulator.inbox.read(phone=phone)]

    def code(self, phone: str = "15400000001") -> str:
        """The newest one-time code."""
        return self.texts(phone)[0].partition("验证码")[2][:6]


@pytest.fixture
def handset(tmp_path: Path, settings) -> Iterator[Handset]:
    simulator = Simulator(0, tmp_path / "inbox.sqlite3", secret=SECRET, receipt_url="")
    serving = threading.Thread(target=simulator.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    settings.GATEWAYS = {
        "sms": {"dialect": "http_batch", "url": simulator.url, "secret": SECRET, "rate": 1000}
    }
    simulator.carrier.faults = type(simulator.carrier.faults)(no_receipts=True)
    yield Handset(simulator)
    simulator.shutdown()
    serving.join()
    simulator.server_close()

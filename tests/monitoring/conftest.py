"""Fixtures of this directory."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.ballots.conftest import verified
from tests.handset import handset

__all__ = ["handset", "verified"]
TOKEN = "a-token-of-fifty-characters-for-tests-only-0123456789"
Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass
class Scraper:
    """Asks one server as the exchange's Prometheus does: by its own address, with the token."""

    client: Client

    def text(self) -> str:
        headers = {"host": "10.1.2.3:8000", "authorization": f"Bearer {TOKEN}"}
        answer = self.client.get("/metrics", headers=headers)
        assert answer.status_code == 200
        return answer.text

    def series(self) -> dict[Series, float]:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    def value(self, name: str, **labels: str) -> float:
        """The value of one series; 0 when it is not there."""
        return self.series().get((name, tuple(sorted(labels.items()))), 0)


@pytest.fixture
def scraper(settings) -> Scraper:
    settings.METRICS_TOKEN = TOKEN
    return Scraper(Client())

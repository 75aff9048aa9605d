"""Fixtures of this directory."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from identity import voters
from identity.links import Link
from tests.handset import handset

__all__ = ["handset"]


@pytest.fixture
def verified():
    """Make a browser that is verified as a holder."""

    def browser(holder, *, level: int = 1, generation: int = 0, client: Client | None = None):
        now = timezone.now()
        voter = voters.begin(Link(holder.pk, holder.meeting_id, generation), now=now)
        response = HttpResponse()
        voters.keep(response, voters.verified(voter, level=level, now=now))
        client = client or Client()
        client.cookies.update(response.cookies)
        return client

    return browser

"""The demo's meeting: a long register is planned to its end, half-made ones are left alone."""

from __future__ import annotations

import pytest

from notifications import campaigns
from notifications.models import Campaign
from voting_portal.demo import data

HOLDERS = 60


@pytest.fixture
def issuer(db):
    return data.make_issuer()


@pytest.fixture
def people(issuer):
    return data.make_people(issuer)


@pytest.fixture
def meeting(issuer, people, tmp_path):
    meeting = data.make_meeting(issuer, people)
    data.load_holders(meeting, people, holders=HOLDERS, directory=tmp_path)
    return meeting


def test_notices_of_a_long_register_are_planned_before_they_are_approved(
    meeting, people, monkeypatch
):
    monkeypatch.setattr(campaigns, "PLANNED_AT_ONCE", HOLDERS // 2)

    campaign = data.invite_holders(meeting, people)

    assert campaign.state == Campaign.State.RUNNING
    assert campaign.planned > HOLDERS // 2


def test_a_meeting_is_played_again_once_its_notices_are_under_way(issuer, meeting, people):
    data.invite_holders(meeting, people)

    assert data.meeting_to_play(issuer) == meeting


def test_a_meeting_without_notices_is_not_played(issuer, meeting, people):
    data.invite_holders(meeting, people)
    meeting.campaigns.update(started_at=None)

    assert data.meeting_to_play(issuer) is None

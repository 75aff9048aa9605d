"""Identifiers carry their meeting, without a gap and without an overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voting_portal.common import ids

meetings = st.integers(1, ids.MAX_MEETING)
indexes = st.integers(1, ids.MAX_INDEX)


@given(meetings, indexes)
def test_a_holder_id_tells_its_meeting_and_index(meeting, index):
    holder = ids.holder_id(meeting, index)

    first, end = ids.holder_range(meeting)
    assert first <= holder < end
    assert (ids.meeting_of(holder), ids.index_of(holder)) == (meeting, index)


@given(meetings, indexes, st.integers(0, 7), st.integers(0, 1023), st.integers(0, 7))
def test_ballots_and_deliveries_fall_into_their_meetings_range(
    meeting, index, share_class, campaign, step
):
    holder = ids.holder_id(meeting, index)
    ballot = ids.ballot_id(holder, share_class)
    delivery = ids.delivery_id(holder, campaign, step)

    assert ids.ballot_range(meeting)[0] <= ballot < ids.ballot_range(meeting)[1]
    assert ids.delivery_range(meeting)[0] <= delivery < 2**63
    assert ids.holder_of_delivery(delivery) == holder


@pytest.mark.parametrize(
    ("meeting", "index"), [(0, 1), (1, 0), (ids.MAX_MEETING + 1, 1), (1, ids.MAX_INDEX + 1)]
)
def test_what_does_not_fit_is_refused(meeting, index):
    with pytest.raises(ValueError, match="no holder"):
        ids.holder_id(meeting, index)


def test_two_meetings_never_share_a_ballot_id():
    assert ids.ballot_range(7)[1] == ids.ballot_range(8)[0]
    assert ids.delivery_range(7)[1] == ids.delivery_range(8)[0]

"""Personal links: what is signed reads back, and nothing else does."""

from __future__ import annotations

import pytest
from django.test import override_settings

from identity.links import Link, personal_url, read_link, sign_link
from meetings import keys, live
from tests.factories import make_meeting
from voting_portal.common import ids

pytestmark = pytest.mark.django_db


@pytest.fixture
def meeting():
    meeting = make_meeting()
    live.live_meeting(meeting.pk)  # the table is warm
    return meeting


def code_of(holder_id, generation=0):
    return personal_url(holder_id, generation).rpartition("/")[2]


@pytest.mark.parametrize("index", [1, 2, 12_345_678, ids.MAX_INDEX])
@pytest.mark.parametrize("generation", [0, 1, 2, 3])
def test_a_link_says_its_holder_meeting_and_generation(meeting, index, generation):
    holder = ids.holder_id(meeting.pk, index)

    code = code_of(holder, generation)

    assert len(code) == 25
    assert code.isascii()
    assert code.isalnum()
    assert read_link(code) == Link(holder, meeting.pk, generation)


@override_settings(PUBLIC_URL="https://vote.example.cn")
def test_the_address_is_absolute(meeting):
    url = personal_url(ids.holder_id(meeting.pk, 1), 0)

    assert url.startswith("https://vote.example.cn/v/")


@pytest.mark.parametrize("glued", ["。", ")", "/", "?from=x", "后面的字", "A" * 500])
def test_what_a_phone_glues_on_behind_is_ignored(meeting, glued):
    holder = ids.holder_id(meeting.pk, 7)

    assert read_link(code_of(holder) + glued) == Link(holder, meeting.pk, 0)


def test_the_first_five_characters_tell_the_meeting_and_no_holder(meeting):
    heads = {code_of(ids.holder_id(meeting.pk, index))[:5] for index in range(1, 50)}

    assert len(heads) == 1


def test_no_single_changed_character_is_accepted(meeting):
    code = code_of(ids.holder_id(meeting.pk, 1))
    changed = [
        code[:at] + other + code[at + 1 :]
        for at in range(25)
        for other in ("0", "9", "A", "z")
        if other != code[at]
    ]

    assert [text for text in changed if read_link(text)] == []


@pytest.mark.parametrize(
    "text",
    ["", "A", "0" * 24, "0" * 25, "z" * 25, "-" * 25, "é" * 25, "０" * 25, "\0" * 25, " " * 40],
)
def test_what_is_no_link_is_refused(meeting, text):
    assert read_link(text) is None


def test_a_link_of_another_meetings_key_is_refused(meeting):
    other = make_meeting()
    _key_id, foreign = keys.link_key(other.pk)

    code = sign_link(foreign, ids.holder_id(meeting.pk, 1), 0)

    assert read_link(code) is None


def test_a_meeting_that_was_never_invited_has_no_links():
    meeting = make_meeting(state="MOTIONS_CONFIRMED")

    assert read_link(code_of(ids.holder_id(meeting.pk, 1))) is None


def test_a_forged_link_costs_no_query_and_no_cache_call(
    meeting, django_assert_num_queries, settings
):
    code = code_of(ids.holder_id(meeting.pk, 1))
    settings.CACHES = {"default": {"BACKEND": "nowhere.that.exists"}}

    with django_assert_num_queries(0):
        refused = [read_link(code[:-1] + end) for end in "0123456789" if end != code[-1]]

    assert not any(refused)

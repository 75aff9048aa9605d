"""Before the close nobody learns anything of the votes; whoever tries is in the journal."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ballots import entitlement
from ballots.casting import cast_ballot
from ballots.counting import count_next
from ballots.detail import detail_lines
from ballots.effective import NotClosed
from ballots.entitlement import read_entitlement
from ballots.exceptions import exception_lines
from ballots.models import Tally, TallyRequest
from ballots.opening import recount
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.models import JournalEntry, Meeting
from tests.factories import (
    make_holder,
    make_holders,
    make_meeting,
    make_operator,
    make_secretary,
)
from tests.house.test_visitors import admin_paths
from voting_portal.common import ids

pytestmark = pytest.mark.django_db
READS_VOTES = re.compile(r"ballots_(ballot|othervote)\b", re.IGNORECASE)
BALLOT_OF_ALL = """
INSERT INTO ballots_ballot (id, holder_id, share_class, shares, choices, level, commitment, cast_at)
SELECT id << 3, id, 0, 100, '{"1.00": "FOR", "2.00": "FOR"}', 1, sha256(id::text::bytea), now()
FROM meetings_holder WHERE id >= %s AND id < %s
"""
WHOLE = {"1.00": "FOR", "2.00": "AGAINST"}


@pytest.fixture
def meeting():
    """An open meeting with two holders who have not voted yet."""
    meeting = make_meeting()
    for _holder in range(2):
        make_holder(meeting, shares=123_457)
    return meeting


def everybody_votes(meeting):
    for index in (1, 2):
        cast_ballot(
            entitlement=read_entitlement(meeting.pk << 28 | index, 0),
            agenda=read_agenda(meeting.pk),
            share_class=0,
            choices=WHOLE,
            level=1,
        )


def write_all_exceptions(meeting_id):
    list(exception_lines(meeting_id))


def attempts():
    return list(JournalEntry.objects.filter(verb="secrecy.attempt").values_list("actor", "details"))


def seen(client, paths):
    """What pages say, without what differs from request to request."""
    answers = {path: client.get(path) for path in paths}
    return {
        path: (answer.status_code, re.sub(r'value="\w{64}"|\w{12,}', "", answer.text))
        for path, answer in answers.items()
        if not answer.streaming
    }


@pytest.mark.parametrize("role", ["operator", "secretary"])
def test_no_page_differs_by_the_votes_that_came_in(meeting, client, role):
    user = make_operator() if role == "operator" else make_secretary(meeting.issuer)
    client.force_login(user)
    own = [f"/secretary/{meeting.pk}/", "/secretary/"]
    # Sign-in times and sent-off forms differ by themselves.
    paths = own if role == "secretary" else [p for p in admin_paths() if "/auth/" not in p]
    seen(client, paths)  # leaves a message about each row that is not there
    before = seen(client, paths)

    everybody_votes(meeting)

    assert seen(client, paths) == before


@pytest.mark.parametrize(
    "name",
    [
        "result.csv",
        "result.xlsx",
        "result.docx",
        "result.pdf",
        "result.json",
        "exceptions.csv",
        "detail.csv",
    ],
)
def test_a_download_before_the_close_is_forbidden_and_journalled_once(meeting, client, name):
    secretary, stranger = make_secretary(meeting.issuer), make_secretary()
    client.force_login(secretary)

    answer = client.get(f"/secretary/{meeting.pk}/{name}")
    client.force_login(stranger)
    unknown = client.get(f"/secretary/{meeting.pk}/{name}")

    assert (answer.status_code, unknown.status_code) == (403, 404)
    assert attempts() == [(secretary.actor, {"what": name})]


@pytest.mark.parametrize("step", ["ask-tally", "open-tally"])
def test_a_step_of_the_tally_before_the_close_counts_nothing_and_is_journalled(
    meeting, client, step
):
    operator = make_operator()
    client.force_login(operator)
    everybody_votes(meeting)

    page = client.post(f"/admin/meetings/meeting/{meeting.pk}/step/{step}/", follow=True)

    assert "投票截止前" in page.text
    assert attempts() == [(operator.actor, {"what": step})]
    assert not TallyRequest.objects.exists()
    assert not Tally.objects.exists()
    assert Meeting.objects.get().state == "OPEN"


@pytest.mark.parametrize("name", ["tally", "recount"])
def test_a_command_before_the_close_counts_nothing_and_is_journalled(meeting, capsys, name):
    everybody_votes(meeting)

    with pytest.raises(CommandError, match="投票截止前"):
        call_command(name, meeting.pk)

    assert attempts() == [("command:operator", {"what": name})]
    assert "123457" not in capsys.readouterr().out


@pytest.mark.parametrize("read", [lambda pk: list(detail_lines(pk)), write_all_exceptions, recount])
def test_nothing_that_reads_votes_begins_before_the_seal(meeting, read):
    everybody_votes(meeting)

    with pytest.raises(NotClosed):
        read(meeting.pk)


def test_a_recount_between_the_close_and_the_tally_says_nothing(meeting, capsys):
    everybody_votes(meeting)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")

    with pytest.raises(CommandError, match="Nothing is counted yet"):
        call_command("recount", meeting.pk)

    assert not capsys.readouterr().out


@pytest.mark.parametrize("role", ["operator", "secretary", "anonymous"])
def test_no_page_of_somebody_else_reads_a_ballot_so_none_can_take_longer_for_them(
    meeting, client, role
):
    everybody_votes(meeting)
    if role != "anonymous":
        client.force_login(
            make_operator() if role == "operator" else make_secretary(meeting.issuer)
        )
    public = ["/", "/help", "/live", "/ready", "/start", f"/m/{meeting.pk}/documents/1"]
    own = [f"/secretary/{meeting.pk}/", "/secretary/", f"/secretary/{meeting.pk}/result.csv"]

    with CaptureQueriesContext(connection) as asked:
        for path in (*public, *own, *admin_paths()):
            client.get(path)

    assert len(asked) > 1
    assert not [query["sql"] for query in asked if READS_VOTES.search(query["sql"])]


def test_a_holders_page_reads_own_ballots_by_their_key_alone(db):
    meeting = make_meeting()
    make_holders(meeting, 3_000)
    with connection.cursor() as cursor:
        cursor.execute(BALLOT_OF_ALL, ids.holder_range(meeting.pk))
        cursor.execute("ANALYZE ballots_ballot; ANALYZE meetings_holder")
        holder = ids.holder_id(meeting.pk, 1_500)
        bounds = (ids.ballot_id(holder, 0), ids.ballot_id(holder, 7))
        values = {"holder": holder, "generation": 0, "first": bounds[0], "last": bounds[1]}
        cursor.execute(f"EXPLAIN {entitlement.READ}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert re.search(r"Index Scan using ballots_ballot_\w+ on ballots_ballot", plan), plan
    assert "Seq Scan on ballots_ballot" not in plan


def test_a_ballot_leaves_no_trace_where_others_may_look(meeting):
    def rows():
        outside = ("journalentry", "delivery", "campaign", "holder", "meeting", "logentry", "tally")
        models = [m for m in apps.get_models() if m._meta.model_name in outside]
        return {m: list(m.objects.order_by("pk").values()) for m in models}

    before = rows()
    everybody_votes(meeting)

    assert len(before) == 7
    assert rows() == before


@pytest.mark.parametrize("lookup", ["tallies__content__contains", "vote_imports__votes__gt"])
def test_no_list_is_filtered_by_what_is_secret(meeting, client, lookup):
    client.force_login(make_operator())

    answer = client.get(f"/admin/meetings/meeting/?{lookup}=0")

    assert answer.status_code in (302, 400)


@pytest.mark.django_db(transaction=True)
def test_after_the_close_two_operators_open_the_tally_and_the_secretary_sees_it(meeting, client):
    everybody_votes(meeting)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    first, second = make_operator(), make_operator()
    secretary = make_secretary(meeting.issuer)
    url = f"/admin/meetings/meeting/{meeting.pk}/step/"

    for user, step in ((first, "ask-tally"), (first, "open-tally")):
        client.force_login(user)
        client.post(f"{url}{step}/")
    assert not Tally.objects.exists()
    client.force_login(second)
    client.post(f"{url}open-tally/")
    assert count_next(now=timezone.now())
    client.force_login(secretary)
    result = client.get(f"/secretary/{meeting.pk}/result.csv")
    exceptions = client.get(f"/secretary/{meeting.pk}/exceptions.csv")

    tally = Tally.objects.get()
    assert (tally.asked_by, tally.counted_by) == (first.actor, second.actor)
    assert "246914" in result.text
    assert b"".join(exceptions.streaming_content).decode("utf-8-sig").startswith("情形,")
    assert attempts() == []


def test_a_motion_with_a_minority_count_waits_for_the_list_of_insiders(meeting, client):
    meeting.motions.filter(group=1).update(is_for_minority_count=True)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    client.force_login(make_operator())
    url = f"/admin/meetings/meeting/{meeting.pk}/step/"

    refused = client.post(f"{url}ask-tally/", follow=True)
    client.post(f"{url}confirm-insiders/")
    client.post(f"{url}ask-tally/")

    assert "请先确认董监高" in refused.text
    assert TallyRequest.objects.exists()
    assert timezone.now() > TallyRequest.objects.get().asked_at

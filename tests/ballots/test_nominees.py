"""Nominees: an entry that staff open, declared shares, and a ballot that splits them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ballots.models import Ballot
from ballots.opening import recount
from ballots.scenario import run_scenario
from identity.institutions import EntryOver, NotANominee, open_entry, use_entry
from identity.models import InstitutionEntry
from meetings import lifecycle
from meetings.models import JournalEntry
from tests.factories import make_holder, make_meeting, make_operator

pytestmark = pytest.mark.django_db
SPLIT = {
    "declared": "5,000",
    "s-1.00-FOR": "3000",
    "s-1.00-AGAINST": "1500",
    "s-1.00-ABSTAIN": "500",
    "s-2.00-FOR": "5000",
    "c-3.01": "10000",
}


@pytest.fixture
def meeting():
    return make_meeting()


@pytest.fixture
def nominee(meeting):
    return make_holder(meeting, shares=5_200, kind="N", phone="", account="D000000001")


@pytest.fixture
def browser(nominee, verified):
    return verified(nominee)


def cast(browser, meeting, answers):
    page = browser.get(f"/m/{meeting.pk}/ballot")
    mark = re.search(r'name="mark" value="(\w+)"', page.text)[1]
    return browser.post(f"/m/{meeting.pk}/cast", {"mark": mark, **answers})


def test_an_operator_opens_an_entry_that_works_once(meeting, nominee, client):
    client.force_login(make_operator())
    url = f"/admin/identity/institutionentry/meeting/{meeting.pk}/"

    page = client.post(url, {"account": "D000000001"})
    address = re.search(r"<code>(\S+)</code>", page.text)[1]
    path = "/" + address.split("/", 3)[3]
    visitor, late = Client(), Client()
    shown = visitor.get(path)
    entered = visitor.post(path)
    again = late.post(path)

    assert shown.status_code == 200
    assert entered.headers["Location"] == f"/m/{meeting.pk}/ballot"
    assert "受托股份数" in visitor.get(f"/m/{meeting.pk}/ballot").text
    assert again.status_code == 404
    verbs = set(JournalEntry.objects.values_list("verb", flat=True))
    assert {"institution.entry_opened", "institution.entered"} <= verbs


def test_only_a_nominee_gets_an_entry(meeting):
    make_holder(meeting, account="A000000009")

    for account in ("A000000009", "A999999999"):
        with pytest.raises(NotANominee):
            open_entry(meeting.pk, account=account, by="operator:1", now=timezone.now())

    assert not InstitutionEntry.objects.exists()


def test_an_old_entry_lets_nobody_in(meeting, nominee):
    now = timezone.now()
    address = open_entry(meeting.pk, account="D000000001", by="operator:1", now=now)

    with pytest.raises(EntryOver):
        use_entry(address.rsplit("/", 1)[1], now=now + timedelta(hours=3))

    assert InstitutionEntry.objects.get().used_at is None


def test_a_split_ballot_counts_the_declared_shares(meeting, browser):
    answer = cast(browser, meeting, SPLIT)

    ballot = Ballot.objects.get()
    assert answer.headers["Location"] == f"/m/{meeting.pk}/confirmation"
    assert ballot.shares == 5_000
    assert ballot.choices["1.00"] == {"FOR": 3_000, "AGAINST": 1_500, "ABSTAIN": 500}
    assert "3,000" in browser.get(f"/m/{meeting.pk}/confirmation").text
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    result = recount(meeting.pk)
    total = result["motions"]["1.00"]["total"]
    assert (total["for"], total["against"], total["abstain"]) == (3_000, 1_500, 500)
    assert result["attendance"]["votes"] == 5_000
    assert result["motions"]["3.00"]["candidates"]["3.01"]["votes"] == 10_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"declared": "5201"}, "超过您登记持有"),
        ({"declared": "5001"}, "不等于受托股份数"),
        ({"declared": ""}, "请填写受托股份数"),
        ({"s-1.00-FOR": "2999"}, "不等于受托股份数"),
        ({"c-3.01": "10001"}, "超过您可用的"),
        ({"s-1.00-FOR": "3.5"}, "不带小数"),
    ],
)
def test_a_wrong_split_keeps_what_was_filled_in_and_stores_nothing(
    meeting, browser, changes, words
):
    page = cast(browser, meeting, SPLIT | changes)

    assert page.status_code == 422
    assert words in page.text
    assert 'value="1500"' in page.text
    assert not Ballot.objects.exists()


def result_of_a_nominee(motions, votes):
    """Of a nominee with 5,200 of 10,000 shares; each vote is what it declares and its choices."""
    scenario = {
        "name": "nominee",
        "meeting": {
            "security_code": "600000",
            "title": "2025年年度股东会",
            "date": "2026-06-26",
            "record_date": "2026-06-23",
            "capital": {"A": 10_000},
        },
        "motions": [{"title": "议案", "classes": ["A"], **motion} for motion in motions],
        "register": [
            {
                "holder": "HK",
                "account": "B880000001",
                "name": "香港中央结算有限公司",
                "id_type": "99",
                "shares": 5_200,
                "class": "A",
            }
        ],
        "nominees": ["HK"],
        "votes": [
            {
                "seq": seq,
                "at": "10:00:00.000",
                "channel": "internet",
                "account": "B880000001",
                "declared": declared,
                "votes": said,
            }
            for seq, (declared, said) in enumerate(votes, start=1)
        ],
    }
    return run_scenario(scenario)["result"]


def test_a_nominee_that_answers_motion_by_motion_is_present_with_the_most_it_says():
    split = {"against": 0, "abstain": 0}
    motions = [{"number": number, "kind": "plain"} for number in ("1.00", "2.00")]
    votes = [(n, {number: {"for": n, **split}}) for n, number in [(3_000, "1.00"), (5_000, "2.00")]]

    result = result_of_a_nominee(motions, votes)

    assert result["attendance"]["votes"] == 5_000
    first, second = (result["motions"][n]["total"] for n in ("1.00", "2.00"))
    assert (first["for"], first["against"], first["abstain"]) == (3_000, 0, 2_000)
    assert (second["for"], second["against"], second["abstain"]) == (5_000, 0, 0)


def test_a_recused_nominee_whose_votes_are_all_invalid_is_listed_with_its_first_declaration():
    election = {
        "number": "1.00",
        "kind": "cumulative",
        "seats": 1,
        "candidates": [{"number": "1.01", "name": "甲"}],
        "recused": ["HK"],
    }
    votes = [(declared, {"1.00": {"1.01": declared + 1}}) for declared in (3_000, 2_000)]

    result = result_of_a_nominee([election], votes)

    assert result["motions"]["1.00"]["excluded"] == [
        {"holder": "HK", "reason": "RECUSED", "votes": 3_000}
    ]
    assert result["attendance"]["votes"] == 0

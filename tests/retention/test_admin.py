"""Staff see when personal data goes, put it off, ask for it earlier, and read what is overdue."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from meetings.models import JournalEntry, Meeting
from retention import asking, purging
from retention.models import Hold, Purge
from tests.factories import make_meeting, make_operator
from tests.monitoring.conftest import scraper

__all__ = ["scraper"]
pytestmark = pytest.mark.django_db
NOW = timezone.now


@pytest.fixture
def ended():
    """A meeting that was called off forty days ago."""
    meeting = make_meeting(state="CANCELLED", is_rehearsal=False)
    values = {"verb": "meeting.cancelled", "actor": "operator:1"}
    JournalEntry.objects.create(meeting=meeting, at=NOW() - timedelta(days=40), **values)
    return meeting


def browser_of(*roles):
    browser = Client()
    browser.force_login(make_operator(roles=list(roles)))
    return browser


def act(browser, meeting, what, **words):
    return browser.post(f"/admin/retention/purge/meeting/{meeting.pk}/", {"act": what, **words})


def test_the_page_says_when_the_period_is_over(ended):
    page = browser_of("AUDITOR").get(f"/admin/retention/purge/meeting/{ended.pk}/")

    assert "保存30天" in page.text
    assert "已期满，尚未删除。" in page.text


def test_the_privacy_notice_says_the_days_that_are_kept_unless_a_meeting_says_otherwise(client):
    days = Meeting._meta.get_field("retention_days").default

    assert f"起保存{days}天" in client.get("/privacy").text


def test_two_people_delete_early_and_get_a_report(ended):
    operator, approver = browser_of("OPERATOR"), browser_of("APPROVER")

    act(operator, ended, "ask")
    early = operator.get(f"/admin/retention/purge/meeting/{ended.pk}/report/").status_code
    act(approver, ended, "approve")
    purging.purge_all(clock=NOW)
    report = operator.get(f"/admin/retention/purge/meeting/{ended.pk}/report/")

    assert early == 404
    assert Purge.objects.get().cause == "EARLY"
    assert "personal-data/v1 deleted" in report.text


def test_one_person_alone_is_refused(ended):
    both = browser_of("OPERATOR", "APPROVER")

    act(both, ended, "ask")
    answer = both.post(
        f"/admin/retention/purge/meeting/{ended.pk}/", {"act": "approve"}, follow=True
    )

    assert "须由另一位工作人员复核" in answer.text
    assert Purge.objects.get().approved_by == ""


def test_who_only_looks_changes_nothing(ended):
    auditor = browser_of("AUDITOR")

    answers = [act(auditor, ended, what, reason="x").status_code for what in ("ask", "hold", "x")]

    assert answers == [404, 404, 404]
    assert not Purge.objects.exists()
    assert not Hold.objects.exists()


def test_a_hold_needs_a_reason_and_is_lifted_by_another(ended):
    operator, approver = browser_of("OPERATOR"), browser_of("APPROVER")

    act(operator, ended, "hold", reason="  ")
    without = Hold.objects.count()
    act(operator, ended, "hold", reason="诉讼保全")
    shown = operator.get(f"/admin/retention/purge/meeting/{ended.pk}/").text
    act(approver, ended, "lift")

    assert without == 0
    assert "诉讼保全" in shown
    assert Hold.objects.get().lifted_at is not None


def test_what_is_overdue_stands_above_the_list_and_in_the_metrics(ended, scraper):
    listed = browser_of("OPERATOR").get("/admin/retention/purge/").text
    overdue = scraper.series()["portal_purge_overdue_seconds", (("which", "due"),)]
    asking.place_hold(ended.pk, reason="诉讼", by="operator:1", now=NOW())
    held = scraper.series()["portal_purge_overdue_seconds", (("which", "due"),)]

    assert str(ended) in listed
    assert overdue == pytest.approx(10 * 86_400, abs=60)
    assert held == 0


def test_a_purge_that_stands_and_a_meeting_that_was_forgotten_are_overdue_too(ended, scraper):
    long_ago = timezone.localdate() - timedelta(days=100)
    make_meeting(state="OPEN", meeting_date=long_ago, record_date=long_ago)
    values = {"stage": "EXPORTED", "exported_at": NOW() - timedelta(days=2)}
    asking.ask_due(now=NOW())
    Purge.objects.update(**values)

    series = scraper.series()

    assert series["portal_purge_overdue_seconds", (("which", "begun"),)] > 86_400
    assert series["portal_purge_overdue_seconds", (("which", "forgotten"),)] > 9 * 86_400

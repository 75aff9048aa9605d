"""Every page of the admin against every role: least privilege, and a look changes nothing."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone

from meetings import journal
from meetings.admin.steps import STEPS
from tests.factories import make_meeting, make_operator
from tests.house.test_visitors import TABLE, admin_paths
from voting_portal.common.roles import READS_JOURNAL, Role

pytestmark = pytest.mark.django_db
STAFF = [role for role in Role if role is not Role.SECRETARY]


def browser_of(role: Role) -> Client:
    browser = Client()
    browser.force_login(make_operator(roles=[role]))
    return browser


def counts() -> dict[str, int]:
    """Rows of every table but those that every visit writes."""
    return {
        model._meta.label: model._default_manager.count()
        for model in apps.get_models()
        if model._meta.label not in {"sessions.Session", "identity.User"}
    }


@pytest.mark.parametrize("role", [Role.SYSTEM, Role.SECURITY])
def test_who_keeps_accounts_sees_no_meeting(role):
    make_meeting()
    browser = browser_of(role)

    answers = {
        path: browser.get(path).status_code
        for path in admin_paths()
        if path.startswith(("/admin/meetings/", "/admin/ballots/", "/admin/notifications/"))
        and not path.startswith("/admin/meetings/journalentry/")
        and not (role in READS_JOURNAL and path.endswith("/journal/"))
    }

    shown = {path for path, status in answers.items() if status not in {302, 403, 404, 405}}
    assert len(answers) > 40
    assert not shown


OF_ACCOUNTS = ("/admin/identity/", "/admin/incidents/")


@pytest.mark.parametrize("role", [Role.SYSTEM, Role.SECURITY])
def test_who_keeps_accounts_changes_nothing_of_a_meeting(role):
    make_meeting(state="CLOSED", polls_sealed_at=timezone.now())
    browser = browser_of(role)
    before = counts()

    for path in admin_paths():
        if not path.startswith(OF_ACCOUNTS):
            browser.post(path, {"reason": "x", "account": "A123456789"})

    assert counts() == before


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_role_of_the_exchange_has_a_secretarys_pages(role, method):
    meeting = make_meeting(state="CLOSED", polls_sealed_at=timezone.now())
    browser = browser_of(role)
    pages = [row.path for name, row in TABLE.items() if name.startswith("console:")]

    answers = {
        path: browser.generic(method, path.format(meeting=meeting.pk)).status_code for path in pages
    }

    assert len(answers) >= 5
    assert set(answers.values()) <= {404, 405}


@pytest.mark.parametrize("role", STAFF)
def test_no_role_is_shown_a_broken_page(role):
    make_meeting(state="CLOSED", polls_sealed_at=timezone.now())
    browser = browser_of(role)

    answers = {
        (method, path): browser.generic(method, path).status_code
        for path in admin_paths()
        for method in ("GET", "POST")
    }

    assert len(answers) > 200
    assert set(answers.values()) <= {200, 302, 303, 403, 404, 405, 422}


@pytest.mark.parametrize("role", STAFF)
def test_no_action_of_a_list_deletes_anything(role):
    meeting = make_meeting()
    journal.record(meeting, "meeting.made", by="operator:1", at=timezone.now())
    browser = browser_of(role)
    before = counts()

    for model in apps.get_models():
        label = f"{model._meta.app_label}/{model._meta.model_name}"
        row = model._default_manager.order_by("-pk").first()
        form = {"action": "delete_selected", "_selected_action": row.pk if row else 1}
        browser.post(f"/admin/{label}/", form | {"post": "yes"})

    assert counts() == before


def test_an_auditor_sees_and_changes_nothing():
    make_meeting(state="CLOSED", polls_sealed_at=timezone.now())
    browser = browser_of(Role.AUDITOR)
    before = counts()

    for path in admin_paths():
        browser.post(path, {"reason": "x", "account": "A123456789"})

    assert counts() == before
    assert browser.get("/admin/meetings/meeting/").status_code == 200
    assert browser.get("/admin/meetings/journalentry/").status_code == 200


@pytest.mark.parametrize("role", STAFF)
def test_a_step_is_taken_by_its_role_only(role):
    browser = browser_of(role)

    found = {
        step.name: browser.post(
            f"/admin/meetings/meeting/{make_meeting(state=step.states[0]).pk}/step/{step.name}/"
        ).status_code
        for step in STEPS
    }

    assert found == {step.name: 302 if step.role == role else 404 for step in STEPS}
    assert {step.role for step in STEPS} == {Role.OPERATOR, Role.APPROVER, Role.SCRUTINEER}


def test_no_role_at_all_opens_no_page():
    browser = Client()
    browser.force_login(make_operator(roles=[], is_staff=False))

    answers = {path: browser.get(path).status_code for path in admin_paths()}

    assert set(answers.values()) <= {302, 404}

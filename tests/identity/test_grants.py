"""Roles are asked for by one administrator and granted by another."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from identity import grants
from identity.models import RoleGrant
from meetings.models import JournalEntry
from tests.factories import make_issuer, make_operator, make_secretary
from voting_portal.common.roles import Role

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def ask(user, *roles, by="operator:901", issuers=()):
    return grants.ask_for_roles(user.pk, roles=roles, issuers=issuers, by=by, now=NOW)


def test_somebody_else_grants_what_was_asked_for():
    user = make_operator(roles=["OPERATOR"])

    grant = ask(user, Role.APPROVER, Role.AUDITOR)
    grants.grant_roles(grant.pk, by="operator:902", now=NOW)

    user.refresh_from_db()
    assert user.roles == ["APPROVER", "AUDITOR"]
    verbs = JournalEntry.objects.order_by("id").values_list("verb", "actor")
    assert list(verbs) == [("roles.asked", "operator:901"), ("roles.granted", "operator:902")]


def test_whoever_asked_cannot_grant():
    user = make_operator(roles=["OPERATOR"])
    grant = ask(user, Role.SECURITY)

    with pytest.raises(grants.SamePerson):
        grants.grant_roles(grant.pk, by="operator:901", now=NOW)

    user.refresh_from_db()
    assert user.roles == ["OPERATOR"]
    assert not RoleGrant.objects.get().granted_by


def test_nobody_raises_themselves():
    user = make_operator(roles=["SYSTEM", "SECURITY"])

    with pytest.raises(grants.OwnRoles):
        ask(user, Role.OPERATOR, by=user.actor)
    grant = ask(user, Role.OPERATOR)
    with pytest.raises(grants.OwnRoles):
        grants.grant_roles(grant.pk, by=user.actor, now=NOW)

    user.refresh_from_db()
    assert user.roles == ["SYSTEM", "SECURITY"]


def test_a_secretary_works_for_companies_and_not_for_the_exchange():
    user, issuer = make_operator(roles=[]), make_issuer()

    with pytest.raises(grants.StaffOrSecretary):
        ask(user, Role.SECRETARY, Role.OPERATOR, issuers=[issuer.pk])
    with pytest.raises(grants.IssuersOfSecretaries):
        ask(user, Role.SECRETARY)
    with pytest.raises(grants.IssuersOfSecretaries):
        ask(user, Role.OPERATOR, issuers=[issuer.pk])

    assert not RoleGrant.objects.exists()


def test_another_company_is_granted_like_a_role():
    first, second = make_issuer(), make_issuer()
    secretary = make_secretary(first)

    grant = ask(secretary, Role.SECRETARY, issuers=[first.pk, second.pk])
    assert list(secretary.issuers.all()) == [first]
    grants.grant_roles(grant.pk, by="operator:902", now=NOW)

    assert set(secretary.issuers.all()) == {first, second}


def test_one_request_is_open_at_a_time():
    user = make_operator(roles=[])
    ask(user, Role.OPERATOR)

    with pytest.raises(grants.AskedAlready):
        ask(user, Role.SECURITY)

    assert RoleGrant.objects.get().roles == ["OPERATOR"]


def test_a_refused_request_changes_nothing():
    user = make_operator(roles=[])
    grant = ask(user, Role.OPERATOR)

    grants.refuse_roles(grant.pk, by="operator:902", now=NOW)

    user.refresh_from_db()
    assert user.roles == []
    with pytest.raises(grants.NothingAsked):
        grants.grant_roles(grant.pk, by="operator:902", now=NOW)


def browser_of(*roles: str) -> Client:
    browser = Client()
    browser.force_login(make_operator(roles=list(roles)))
    return browser


def test_the_whole_way_in_the_admin():
    system, security, user = browser_of("SYSTEM"), browser_of("SECURITY"), make_operator(roles=[])

    asked = system.post(reverse("admin:user-roles", args=[user.pk]), {"roles": ["OPERATOR"]})
    grant = RoleGrant.objects.get()
    shown = security.get(reverse("admin:identity_rolegrant_change", args=[grant.pk]))
    decide = reverse("admin:grant-decide", args=[grant.pk, "grant"])
    not_theirs = system.post(decide)
    security.post(decide)

    assert asked.status_code == 302
    assert decide in shown.text
    assert not_theirs.status_code == 404
    user.refresh_from_db()
    assert (user.roles, user.is_staff) == (["OPERATOR"], True)


def test_a_system_administrator_hands_out_sign_in_links():
    system, user = browser_of("SYSTEM"), make_operator()
    page = reverse("admin:user-pass", args=[user.pk])

    before = system.get(page)
    handed_out = system.post(page)

    assert "/staff/pass/" not in before.text
    assert "/staff/pass/" in handed_out.text
    assert "no-store" in handed_out.headers["Cache-Control"]
    assert JournalEntry.objects.get(verb="user.pass_issued").details == {"user": user.pk}
    assert browser_of("OPERATOR", "SECURITY").post(page).status_code == 404


def test_accounts_are_kept_by_administrators_only():
    pages = [
        reverse("admin:identity_user_changelist"),
        reverse("admin:identity_user_add"),
        reverse("admin:identity_rolegrant_changelist"),
    ]

    seen = {
        role: [browser_of(role).get(page).status_code for page in pages]
        for role in ("OPERATOR", "APPROVER", "SCRUTINEER", "AUDITOR", "SYSTEM", "SECURITY")
    }

    assert seen.pop("SYSTEM") == [200, 200, 200]
    assert seen.pop("SECURITY") == [200, 403, 200]
    assert set(map(tuple, seen.values())) == {(403, 403, 403)}

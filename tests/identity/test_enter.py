"""Stock code and vote code lead where a personal link would, under limits of their own."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.urls import reverse

from identity.links import personal_url
from identity.vote_codes import personal_code
from meetings.models import Meeting
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db
PAGE = reverse("identity:enter")


@pytest.fixture
def holder():
    return make_holder(make_meeting())


def company_of(holder) -> str:
    return Meeting.objects.get(pk=holder.meeting_id).issuer.security_code


def enter(client, company: str, code: str):
    return client.post(PAGE, {"security_code": company, "vote_code": code})


def test_both_codes_lead_to_the_holders_own_page(client, holder):
    response = enter(client, company_of(holder), personal_code(holder.pk, 0))

    assert response.status_code == 303
    assert response.headers["Location"] == personal_url(holder.pk, 0)
    assert response.headers["Cache-Control"] == "no-store, private"
    assert client.get(urlsplit(response.headers["Location"]).path).status_code == 200


def test_a_code_typed_as_people_type_is_understood(client, holder):
    code = personal_code(holder.pk, 0).lower()

    response = enter(client, f" {company_of(holder)} ", f"{code[:5]}-{code[5:]} ")

    assert response.status_code == 303


@pytest.mark.parametrize("code", ["", "0000000000", "x", "é" * 10, "0" * 5000])
def test_a_wrong_code_says_so_and_nothing_more(client, holder, code):
    response = enter(client, company_of(holder), code)

    assert response.status_code == 422
    assert holder.name_masked not in response.text


def test_the_code_of_one_company_is_none_at_another(client, holder):
    other = make_holder(make_meeting())

    response = enter(client, company_of(other), personal_code(holder.pk, 0))

    assert response.status_code == 422


def test_a_code_before_the_invitation_is_wrong(client, holder):
    Meeting.objects.update(state="MOTIONS_CONFIRMED")

    assert enter(client, company_of(holder), personal_code(holder.pk, 0)).status_code == 422


def test_ten_wrong_codes_from_one_address_end_in_a_wait(client, holder):
    company = company_of(holder)
    for _guess in range(10):
        assert enter(client, company, "0000000000").status_code == 422

    right = enter(client, company, personal_code(holder.pk, 0))
    elsewhere = client.post(
        PAGE,
        {"security_code": company, "vote_code": personal_code(holder.pk, 0)},
        REMOTE_ADDR="10.9.9.9",
    )

    assert right.status_code == 429
    assert elsewhere.status_code == 303

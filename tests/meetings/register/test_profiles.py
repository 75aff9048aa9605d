"""Import profiles are data: staff edit them, and a header means one thing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from meetings.models import ImportHeader, ImportProfile, JournalEntry
from meetings.register import profiles
from meetings.register.findings import Unreadable
from meetings.register.loading import load_register
from tests.factories import make_operator
from tests.meetings.register.files import csv_file, sample_meeting

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 24, 1, tzinfo=UTC)
HST = ("HSTTGDM", "HSTGDDM", "HSTCYSL")


def form_of(profile, *rows):
    """The admin's form of a profile with these rows added."""
    known = list(profile.headers.order_by("field", "id"))
    values = {
        "name": profile.name,
        "headers-TOTAL_FORMS": str(len(known) + len(rows)),
        "headers-INITIAL_FORMS": str(len(known)),
    }
    cells = [(header.header, header.field, header.dbf_width or "") for header in known]
    values |= {f"headers-{at}-id": header.pk for at, header in enumerate(known)}
    for at, (text, field, width) in enumerate([*cells, *rows]):
        values |= {
            f"headers-{at}-profile": profile.pk,
            f"headers-{at}-header": text,
            f"headers-{at}-field": field,
            f"headers-{at}-dbf_width": width,
        }
    return values


def test_a_new_header_of_staff_is_understood(client):
    client.force_login(make_operator())
    profile = ImportProfile.objects.get(name="股东名册(现行表头)")
    meeting = sample_meeting()
    headers = ("证券代码", "证券账户", "投资者名称", "持有数量")
    file = csv_file("600000,A000000001,张三,1", headers=headers)
    url = reverse("admin:meetings_importprofile_change", args=[profile.pk])

    saved = client.post(url, form_of(profile, (" 投资者名称 ", "holder_name", "")))

    assert saved.status_code == 302
    profiles.forget()
    register = load_register(meeting.pk, file, file_name="a.csv", by="operator:1", now=NOW)
    assert (register.state, register.errors, register.warnings) == ("CHECKED", [], [])
    entry = JournalEntry.objects.get(verb="import_profile.saved")
    assert entry.details["added"] == ["投资者名称"]


def test_a_header_that_is_claimed_is_refused_with_a_sentence(client):
    client.force_login(make_operator())
    profile = ImportProfile.objects.get(name="名单")
    url = reverse("admin:meetings_importprofile_change", args=[profile.pk])
    before = ImportHeader.objects.count()

    answer = client.post(url, form_of(profile, ("hstgdxm", "phone", "")))

    assert answer.status_code == 200
    assert "该表头已对应一项内容" in answer.text
    assert ImportHeader.objects.count() == before


@pytest.mark.parametrize(
    ("header", "field", "constraint"),
    [
        ("证券代码", "phone", "header"),
        ("hstgdxm", "phone", "import_header_as_compared"),
        ("新 ", "phone", "import_header_as_compared"),
        ("新", "nonsense", "import_header_field_known"),
    ],
)
def test_the_database_refuses_what_would_be_ambiguous(header, field, constraint):
    profile = ImportProfile.objects.create(name="另一个")

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ImportHeader.objects.create(profile=profile, header=header, field=field)


def test_full_and_short_name_belong_together_only_in_one_profile():
    together = profiles.recognise([*HST, "HSTGDXM", "HSTGDQC"], line=1)
    alone = profiles.recognise([*HST, "HSTGDXM"], line=1)

    assert (together.columns["holder_name"], together.short_name) == (4, 3)
    assert (alone.columns["holder_name"], alone.short_name) == (3, None)
    assert together.field_at(3) == "holder_name"
    with pytest.raises(Unreadable) as refusal:
        profiles.recognise([*HST, "HSTGDXM", "持有人名称"], line=1)
    assert refusal.value.findings[0].kind == "DUPLICATE_COLUMN"


def test_profiles_are_read_once_in_a_while(django_assert_num_queries):
    profiles.heading_of("证券代码")

    with django_assert_num_queries(0):
        assert profiles.heading_of(" 证券代码 ").field == "security_code"
        assert profiles.heading_of("没有这一列") is None

"""What the person who approves a register sees before and after."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.urls import reverse

from meetings.models import Register
from meetings.register.loading import approve_register, load_register
from meetings.register.preview import preview_of
from tests.factories import make_operator
from tests.meetings.register.files import OTHER_ID, csv_file, row, sample_meeting

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 24, 1, tzinfo=UTC)
BODY = {"id_type": "统一社会信用代码", "id_no": "91310000631134224W", "phone": ""}
ROWS = (
    row("A000000001", qty="99"),
    row("A000000002", name="李四", id_no=OTHER_ID, qty="100"),
    row("B000000003", name="虚构投资有限公司", qty="300000000", **BODY),
    row("D000000004", name="虚构证券股份有限公司客户信用交易担保证券账户", qty="5000", **BODY),
    row("B000000005", name="虚构科技股份有限公司回购专用证券账户", qty="7000", **BODY),
)


@pytest.fixture
def register():
    meeting = sample_meeting()
    return load_register(
        meeting.pk, csv_file(*ROWS), file_name="register.csv", by="operator:1", now=NOW
    )


def test_the_preview_is_the_same_before_and_after_the_approval(register):
    before = preview_of(register)
    approve_register(register.pk, by="operator:2", now=NOW)

    after = preview_of(Register.objects.get())

    assert before == after
    assert [(total.kind, total.holders, total.shares) for total in before.kinds] == [
        ("个人", 2, 199),
        ("名义持有人", 1, 5_000),
        ("机构", 1, 300_000_000),
        ("无表决权", 1, 7_000),
    ]


def test_holders_are_counted_by_how_much_they_hold(register):
    sizes = preview_of(register).sizes

    counted = {size.label: (size.holders, size.shares) for size in sizes}
    assert counted["1 - 99"] == (1, 99)
    assert counted["100 - 999"] == (1, 100)
    assert counted["1,000 - 9,999"] == (2, 12_000)
    assert counted["≥ 100,000,000"] == (1, 300_000_000)
    assert sum(size.holders for size in sizes) == register.holders
    assert sum(size.shares for size in sizes) == sum(register.shares.values())
    assert max(size.height for size in sizes) == 120
    assert {size.top + size.height for size in sizes} == {120}


def test_accounts_found_by_name_are_shown_for_confirmation(register):
    special = preview_of(register).special_accounts

    assert [(a.account, a.is_voteless, a.share_class, a.shares) for a in special] == [
        ("B*****0005", True, "A股", 7_000),
        ("D*****0004", False, "A股", 5_000),
    ]
    assert special[1].name == "虚构证券****证券账户"


def test_the_page_shows_it_masked_and_without_a_style(client, register):
    client.force_login(make_operator())

    page = client.get(reverse("admin:meetings_register_change", args=[register.pk])).text

    assert "复核通过并启用" in page
    assert "<svg" in page
    assert page.count("<rect") == 8
    assert "300000000" in page
    for secret in ("张拟三", "A000000001", "15400000001", "虚构投资有限公司"):
        assert secret not in page
    assert not re.search(r"<[^>]*\sstyle=", page)


def test_a_register_on_its_way_shows_its_progress(client, register):
    client.force_login(make_operator())
    Register.objects.update(state="RECEIVED", progress=42)

    page = client.get(reverse("admin:meetings_register_change", args=[register.pk])).text

    assert '<progress max="100" value="42"' in page
    assert '<meta http-equiv="refresh" content="2">' in page
    assert "复核通过并启用" not in page


def test_a_register_that_is_not_there_has_no_preview(register):
    for state in ("RECEIVED", "REFUSED", "REPLACED"):
        register.state = state
        assert preview_of(register) is None

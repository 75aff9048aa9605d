"""Side lists of a meeting: taken in whole or not at all, with a report like a register's."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from meetings.keys import meeting_key
from meetings.models import (
    ConcertParty,
    Contact,
    Holder,
    Holding,
    Insider,
    ListImport,
    MeetingKey,
    Motion,
    Recusal,
)
from meetings.preparing import ListClosed, confirm_insiders
from meetings.register import records
from meetings.register.contacts import CannotFill
from meetings.register.loading import approve_register, load_register
from meetings.register.side_lists import import_list
from tests.factories import make_operator
from tests.meetings.register.files import GOOD_ID, OTHER_ID, csv_file, row, sample_meeting
from voting_portal.common import sealing

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 24, 1, tzinfo=UTC)
RECUSAL_HEADERS = ("议案序号", "证券账户号码", "名称")
CONTACT_HEADERS = ("证券账户", "一码通", "手机")


def load(meeting, *rows):
    register = load_register(
        meeting.pk, csv_file(*rows), file_name="register.csv", by="operator:1", now=NOW
    )
    assert register.errors == []
    approve_register(register.pk, by="operator:2", now=NOW)


def take(meeting, kind, *rows, headers):
    return import_list(
        meeting.pk,
        kind,
        csv_file(*rows, headers=headers),
        file_name="list.csv",
        by="operator:1",
        now=NOW,
    )


def recuse(meeting, *rows):
    return take(meeting, "recusals", *rows, headers=RECUSAL_HEADERS)


def fill(meeting, *rows, headers=CONTACT_HEADERS):
    return take(meeting, "contacts", *rows, headers=headers)


def kinds(findings):
    return [(f["kind"], f["row"], f["line"], f["column"], f["value"]) for f in findings]


@pytest.fixture
def meeting():
    meeting = sample_meeting()
    Motion.objects.create(meeting=meeting, group=1, title="议案一")
    Motion.objects.create(meeting=meeting, group=2, title="总标题", kind="HEADING")
    Motion.objects.create(meeting=meeting, group=2, item=1, title="议案二之一")
    return meeting


def test_recused_holders_are_named_per_motion_and_found_on_the_register(meeting):
    load(meeting, row("A000000001"), row("B000000002", name="关联公司", id_no=""))

    received = recuse(meeting, "1,A000000001,张拟三", "2.01,B000000002,关联公司")

    assert (received.errors, received.warnings) == ([], [])
    assert (received.rows_read, received.rows_loaded, received.rows_refused) == (2, 2, 0)
    recusals = Recusal.objects.order_by("id").select_related("motion")
    holdings = Holding.objects.of_meeting(meeting.pk).order_by("id")
    assert [(r.motion.number, r.account_masked, r.holder_id) for r in recusals] == [
        ("1.00", "A*****0001", holdings[0].holder_id),
        ("2.01", "B*****0002", holdings[1].holder_id),
    ]
    entry = meeting.journal.order_by("-id").first()
    assert (entry.verb, entry.actor, entry.details["rows"]) == ("list.taken", "operator:1", 2)


def test_one_bad_row_refuses_a_whole_list(meeting):
    received = recuse(
        meeting,
        "1,A000000001,张拟三",
        "9,A000000002,李四",
        "2.00,A000000003,王五",
        "2.1,A000000004,赵六",
        "1,A00000000X,钱七",
        "1,A000000006,",
        "1,A000000001,张拟三",
    )

    assert kinds(received.errors) == [
        ("NO_SUCH_MOTION", 2, 3, "motion", "9"),
        ("NO_SUCH_MOTION", 3, 4, "motion", "2.00"),
        ("NO_SUCH_MOTION", 4, 5, "motion", "2.1"),
        ("ACCOUNT_FORMAT", 5, 6, "account_no", "A*****000X"),
        ("BLANK_VALUE", 6, 7, "holder_name", ""),
        ("DUPLICATE_ROW", 7, 8, "account_no", "A*****0001"),
    ]
    assert (received.rows_read, received.rows_loaded, received.rows_refused) == (7, 0, 7)
    assert not Recusal.objects.exists()
    assert meeting.journal.order_by("-id").first().verb == "list.refused"


def test_a_list_may_come_again_with_more(meeting):
    recuse(meeting, "1,A000000001,张拟三")

    received = recuse(meeting, "1,A000000001,张拟三", "1,A000000002,李四")

    assert kinds(received.warnings) == [("ALREADY_LISTED", 1, 2, "account_no", "A*****0001")]
    assert Recusal.objects.count() == 2


def test_an_account_that_the_register_lacks_is_a_warning(meeting):
    load(meeting, row("A000000001"))

    received = recuse(meeting, "1,A000000009,张拟三")

    assert [w["kind"] for w in received.warnings] == ["NOT_ON_REGISTER"]
    assert Recusal.objects.get().holder_id is None


@pytest.mark.parametrize(
    ("headers", "kind", "column"),
    [
        (("证券账户号码", "名称"), "MISSING_COLUMN", "motion"),
        (("议案", "议案序号", "名称", "证券账户"), "DUPLICATE_COLUMN", "motion"),
    ],
)
def test_a_list_needs_its_columns(meeting, headers, kind, column):
    received = take(meeting, "recusals", ",".join("1" * len(headers)), headers=headers)

    assert [(e["kind"], e["column"]) for e in received.errors] == [(kind, column)]
    assert not Recusal.objects.exists()


def test_an_empty_list_is_refused(meeting):
    received = recuse(meeting)

    assert [e["kind"] for e in received.errors] == ["NO_ROWS"]


def test_lists_are_closed_once_votes_are_counted(meeting):
    meeting.state = "TALLIED"
    meeting.save()

    with pytest.raises(ListClosed):
        recuse(meeting, "1,A000000001,张拟三")

    assert not ListImport.objects.exists()


def test_a_contact_file_fills_missing_phones_and_seals_them(meeting):
    load(
        meeting,
        row("A000000001", ymt="180000000001", phone=""),
        row("A000000002", ymt="180000000002", name="李四", id_no=OTHER_ID, phone=""),
        row("A000000003", ymt="180000000003", name="王五", id_no="", phone="15400000003"),
        row("A000000004", ymt="180000000004", name="赵六", id_no="", phone=""),
    )
    others = list(Holder.objects.order_by("id").values_list("sealed", flat=True)[2:])

    received = fill(
        meeting,
        "A000000001,,+86 154-0000-0011",
        ",180000000002,15400000012",
        "A000000003,,15400000013",
    )

    assert (received.errors, received.warnings) == ([], [])
    first, second, third, fourth = Holder.objects.of_meeting(meeting.pk).order_by("id")
    shown = [holder.phone_masked for holder in (first, second, third, fourth)]
    assert shown == ["154****0011", "154****0012", "154****0003", ""]
    assert records.open_person(first) == records.Person(
        "张拟三", "01", GOOD_ID, "15400000011", ("A000000001",)
    )
    assert records.open_person(second).phone == "15400000012"
    key = meeting_key(meeting.pk, MeetingKey.Purpose.INDEX)
    assert bytes(second.phone_index) == records.phone_index(key, "15400000012")
    assert [third.sealed, fourth.sealed] == others


def test_phones_of_a_contact_file_reach_every_later_version_of_the_register(meeting):
    rows = [
        row("A000000002", ymt="180000000002", name="李四", id_no=OTHER_ID, phone=""),
        row("A000000001", phone=""),
        row("A000000003", ymt="180000000003", name="王五", id_no="", phone="15400000003"),
        row("A000000004", ymt="180000000004", name="赵六", id_no="", phone=""),
    ]
    load(meeting, *rows[1:3])
    fill(
        meeting,
        "A000000001,,15400000011",
        ",180000000002,15400000012",
        "A000000003,,15400000013",
    )

    load(meeting, *rows)

    second, first, third, fourth = Holder.objects.of_meeting(meeting.pk).order_by("id")
    shown = [holder.phone_masked for holder in (first, second, third, fourth)]
    assert shown == ["154****0011", "154****0012", "154****0003", ""]
    assert records.open_person(second) == records.Person(
        "李四", "01", OTHER_ID, "15400000012", ("A000000002",)
    )
    key = meeting_key(meeting.pk, MeetingKey.Purpose.INDEX)
    assert bytes(first.phone_index) == records.phone_index(key, "15400000011")
    approval = meeting.journal.filter(verb="register.approved").order_by("-id")[0]
    assert approval.details["phones_filled_in"] == 2


def test_a_kept_phone_is_sealed_for_its_account_only(meeting):
    load(meeting, row("A000000001", phone=""), row("A000000002", id_no=OTHER_ID, phone=""))
    fill(meeting, "A000000001,,15400000011")
    kept = Contact.objects.get()

    stored = b"".join(map(bytes, (kept.account_index, kept.phone_index, kept.sealed)))
    assert b"15400000011" not in stored
    assert b"A000000001" not in stored
    other = records.account_index(meeting_key(meeting.pk, MeetingKey.Purpose.INDEX), "A000000002")
    Contact.objects.update(account_index=other)
    with pytest.raises(sealing.CannotOpen):
        load(meeting, row("A000000001", phone=""), row("A000000002", id_no=OTHER_ID, phone=""))


def test_the_first_file_that_names_an_account_counts_for_later_versions_too(meeting):
    load(meeting, row("A000000001", phone=""))
    fill(meeting, "A000000001,,15400000011", "A000000001,,15400000011")
    fill(meeting, "A000000001,,15400000012")

    load(meeting, row("A000000001", phone=""))

    assert Holder.objects.get().phone_masked == "154****0011"
    assert Contact.objects.count() == 1


def test_a_contact_file_with_one_bad_row_fills_nothing(meeting):
    load(meeting, row("A000000001", phone=""), row("A000000002", id_no=OTHER_ID, phone=""))
    before = list(Holder.objects.order_by("id").values())

    received = fill(
        meeting,
        "A000000001,,15400000011",
        "A000000002,,021-68800000",
        "A000000001,,15400000012",
        ",,15400000013",
        "A000000009,,15400000014",
    )

    assert kinds(received.errors) == [
        ("PHONE_FORMAT", 2, 3, "phone", "021****0000"),
        ("DUPLICATE_ROW", 3, 4, "account_no", "A*****0001"),
        ("BLANK_VALUE", 4, 5, "account_no", "*****"),
    ]
    assert [w["kind"] for w in received.warnings] == ["NOT_ON_REGISTER"]
    assert list(Holder.objects.order_by("id").values()) == before
    assert not Contact.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^(contacts|filled)_'")
        assert cursor.fetchone() == (0,)


def test_the_first_row_that_names_a_holder_counts(meeting):
    load(
        meeting,
        row("A000000001", ymt="180000000001", phone=""),
        row("A000000002", ymt="180000000001", phone=""),
    )

    fill(meeting, "A000000002,,15400000012", "A000000001,,15400000011", ",180000000001,15400000013")

    assert Holder.objects.get().phone_masked == "154****0012"


@pytest.mark.parametrize("state", ["DRAFT", "INVITED", "OPEN"])
def test_phones_are_filled_between_register_and_invitation_only(meeting, state):
    if state != "DRAFT":
        load(meeting, row("A000000001", phone=""))
        meeting.state = state
        meeting.save()

    with pytest.raises(CannotFill):
        fill(meeting, "A000000001,,15400000011")

    assert not Holder.objects.exclude(phone_masked="").exists()
    assert not ListImport.objects.exists()


def test_nothing_personal_is_kept_of_a_list(meeting):
    load(meeting, row("A000000077", phone=""))

    received = fill(meeting, "A000000077,,15400007777x", "A000000078,,15400007778")

    kept = f"{received.errors}{received.warnings}{list(meeting.journal.values())}"
    for secret in ("A000000077", "15400007777", "A000000078", "15400007778"):
        assert secret not in kept


def test_operators_import_lists_in_the_admin_and_read_their_report(client, meeting):
    client.force_login(make_operator())
    page = reverse("admin:meeting-list", args=[meeting.pk])
    file = csv_file("9,A000000001,张拟三", headers=RECUSAL_HEADERS)
    file.name = "list.csv"

    assert "回避表决名单" in client.get(page).text
    answer = client.post(page, {"kind": "recusals", "file": file}, follow=True)

    assert "NO_SUCH_MOTION" in answer.text
    assert "没有导入任何内容" in answer.text
    received = ListImport.objects.get()
    faults = client.get(reverse("admin:listimport-faults", args=[received.pk]))
    assert "NO_SUCH_MOTION,1,2,motion,9" in b"".join(faults.streaming_content).decode()


def test_a_form_without_its_token_is_not_read(client_without_token, meeting):
    page = reverse("admin:meeting-list", args=[meeting.pk])
    file = csv_file("1,A000000001,张拟三", headers=RECUSAL_HEADERS)
    file.name = "list.csv"

    answer = client_without_token.post(page, {"kind": "recusals", "file": file})

    assert answer.status_code != 302
    assert not ListImport.objects.exists()


@pytest.fixture
def client_without_token(client):
    strict = type(client)(enforce_csrf_checks=True)
    strict.force_login(make_operator())
    return strict


def test_the_command_imports_a_list(tmp_path, meeting):
    path = tmp_path / "list.csv"
    path.write_bytes(csv_file("1,A000000001,张拟三", headers=RECUSAL_HEADERS).getvalue())
    out = io.StringIO()

    call_command("import_list", str(meeting.pk), "recusals", str(path), stdout=out)

    assert "read 1 = loaded 1 + refused 0 rows" in out.getvalue()
    assert Recusal.objects.count() == 1


def test_insiders_and_concert_parties_are_named_and_must_be_confirmed_again(meeting):
    load(meeting, row("A000000001"), row("A000000002", name="李四", id_no=OTHER_ID))
    confirm_insiders(meeting.pk, by="operator:1", now=NOW)

    take(meeting, "insiders", "A000000001,张拟三", headers=("证券账户", "姓名"))
    take(
        meeting,
        "concert",
        *("1,A000000001,张拟三", "1,A000000002,李四", "2,A000000002,李四"),
        headers=("组别", "证券账户", "姓名"),
    )

    first, second = Holder.objects.of_meeting(meeting.pk).order_by("id")
    assert Insider.objects.get().holder_id == first.pk
    parties = ConcertParty.objects.order_by("id").values_list("group", "holder_id")
    assert list(parties) == [(1, first.pk), (1, second.pk), (2, second.pk)]
    meeting.refresh_from_db()
    assert meeting.insiders_confirmed_by == ""


def test_a_group_is_a_number(meeting):
    received = take(
        meeting, "concert", "甲,A000000001,张拟三", headers=("组别", "证券账户", "姓名")
    )

    assert kinds(received.errors) == [("GROUP_FORMAT", 1, 2, "group", "甲")]
    assert not ConcertParty.objects.exists()

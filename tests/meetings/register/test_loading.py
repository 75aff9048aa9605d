"""Loading and approving a register: whole or not at all, two persons, one version in force."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from django.db import connection, transaction

from meetings import preparing
from meetings.keys import meeting_key
from meetings.lifecycle import SamePerson
from meetings.models import Holder, Holding, JournalEntry, Meeting, MeetingKey, Motion, Register
from meetings.register import records
from meetings.register.loading import (
    AlreadyInvited,
    NotChecked,
    Outdated,
    approve_register,
    discard_register,
    load_register,
)
from tests.meetings.register.files import (
    GOOD_ID,
    OTHER_ID,
    SAMPLES,
    csv_file,
    row,
    sample_meeting,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 24, 1, tzinfo=UTC)


def load(meeting: Meeting, file: io.BytesIO, *, by: str = "operator:1") -> Register:
    return load_register(meeting.pk, file, file_name="register.csv", by=by, now=NOW)


def load_and_approve(meeting: Meeting, *rows: str) -> Register:
    register = load(meeting, csv_file(*rows))
    assert register.errors == []
    return approve_register(register.pk, by="operator:2", now=NOW)


def tables_of(meeting: Meeting) -> set[str]:
    """Tables of the meeting's partitions, versions that wait among them, and working tables."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ %s",
            [rf"_m{meeting.pk}(_|$)|^(rows|persons)_"],
        )
        return {name for (name,) in cursor.fetchall()}


def test_a_register_is_in_force_only_after_a_second_person_approved_it():
    meeting = sample_meeting()

    register = load(meeting, csv_file(row("A000000001")))

    assert register.state == "CHECKED"
    assert not Holder.objects.of_meeting(meeting.pk).exists()
    approve_register(register.pk, by="operator:2", now=NOW)
    assert Holder.objects.of_meeting(meeting.pk).get().shares == [100]
    meeting.refresh_from_db()
    assert meeting.state == "REGISTER_LOADED"
    verbs = list(meeting.journal.order_by("id").values_list("verb", "actor"))
    assert verbs[1:] == [
        ("register.checked", "operator:1"),
        ("register.approved", "operator:2"),
        ("meeting.register_loaded", "operator:2"),
    ]


def test_nobody_approves_their_own_register():
    meeting = sample_meeting()
    register = load(meeting, csv_file(row("A000000001")))

    with pytest.raises(SamePerson):
        approve_register(register.pk, by="operator:1", now=NOW)

    register.refresh_from_db()
    assert register.state == "CHECKED"
    assert not Holder.objects.of_meeting(meeting.pk).exists()


def test_a_sample_register_arrives_to_the_last_share():
    meeting = sample_meeting()
    path = SAMPLES / "t1_600000_20260623.dbf"
    with path.open("rb") as file:
        register = load_register(
            meeting.pk,
            file,
            file_name=path.name,
            stated_holders=1909,
            stated_shares=912_780_881,
            by="operator:1",
            now=NOW,
        )

    approve_register(register.pk, by="operator:2", now=NOW)

    holders = list(Holder.objects.of_meeting(meeting.pk))
    holdings = list(Holding.objects.of_meeting(meeting.pk))
    assert (register.rows_read, register.rows_loaded, register.rows_refused) == (1997, 1997, 0)
    assert (len(holders), len(holdings)) == (1795, 1909)
    assert sum(holder.shares_of(0) for holder in holders) == 912_780_881
    assert sum(holding.shares for holding in holdings) == 912_780_881
    assert {holding.holder_id for holding in holdings} == {holder.pk for holder in holders}
    persons = [records.open_person(holder) for holder in holders]
    assert sum(len(person.accounts) for person in persons) == 1909
    kinds = [holder.kind for holder in holders]
    assert (kinds.count("N"), kinds.count("V")) == (8, 1)


def test_a_refused_register_leaves_its_faults_and_nothing_else():
    meeting = sample_meeting()
    before = tables_of(meeting)

    register = load(meeting, csv_file(row("A000000001"), row("A000000002", qty="0")))

    assert register.state == "REFUSED"
    assert (register.rows_read, register.rows_loaded, register.rows_refused) == (2, 0, 2)
    assert [(e["kind"], e["row"], e["line"]) for e in register.errors] == [("QTY_ZERO", 2, 3)]
    assert tables_of(meeting) == before
    assert not Holder.objects.of_meeting(meeting.pk).exists()
    with pytest.raises(NotChecked):
        approve_register(register.pk, by="operator:2", now=NOW)


def test_a_file_that_breaks_off_late_leaves_nothing_behind():
    meeting = sample_meeting()
    before = tables_of(meeting)
    rows = [row(f"A{number:09d}") for number in range(30_000)]
    file = io.BytesIO(csv_file(*rows).getvalue() + b"\xff\xff\r\n")

    register = load(meeting, file)

    assert [(e["kind"], e["line"]) for e in register.errors] == [("ENCODING", 30_002)]
    assert tables_of(meeting) == before


def test_rows_of_one_person_become_one_holder():
    meeting = sample_meeting()

    load_and_approve(
        meeting,
        row("A000000001", ymt="180000000001", phone="", qty="100"),
        row("A000000002", ymt="180000000002", name="李四", id_no=OTHER_ID, phone="15400000009"),
        row("A000000003", ymt="180000000001", phone="154-0000-0003", qty="30"),
        row("A000000001", ymt="180000000001", circ="有限售条件流通股", phone="", qty="7"),
    )

    first, second = Holder.objects.of_meeting(meeting.pk).order_by("id")
    assert (first.index, first.shares, first.phone_masked) == (1, [137], "154****0003")
    assert (second.index, second.shares) == (2, [100])
    assert records.open_person(first) == records.Person(
        "张拟三", "01", GOOD_ID, "15400000003", ("A000000001", "A000000003")
    )
    key = meeting_key(meeting.pk, MeetingKey.Purpose.INDEX)
    assert bytes(first.phone_index) == records.phone_index(key, "15400000003")
    holdings = Holding.objects.of_meeting(meeting.pk).order_by("id")
    assert [(h.holder_id, h.shares, h.account_masked) for h in holdings] == [
        (first.pk, 107, "A*****0001"),
        (second.pk, 100, "A*****0002"),
        (first.pk, 30, "A*****0003"),
    ]


def test_without_a_common_account_number_name_and_document_tell_a_person():
    meeting = sample_meeting()

    load_and_approve(
        meeting,
        row("A000000001", name="张拟三(甲)"),
        row("A000000002", name="张拟三（甲） "),
        row("A000000003", name="张拟三(甲)", id_type="护照"),
        row("A000000004", name="李四", id_no=""),
        row("A000000005", name="李四", id_no=""),
    )

    shares = [holder.shares for holder in Holder.objects.of_meeting(meeting.pk).order_by("id")]
    assert shares == [[200], [100], [100], [100]]


def test_a_brokers_own_account_stays_apart_from_its_clients_guarantee_account():
    meeting = sample_meeting()
    body = {"id_type": "统一社会信用代码", "id_no": "91310000631134224W", "phone": ""}

    load_and_approve(
        meeting,
        row("D000000001", name="虚构证券股份有限公司", **body),
        row("D000000002", name="虚构证券股份有限公司客户信用交易担保证券账户", **body),
        # even where both are given the same 一码通
        row("D000000003", ymt="180000000003", name="示例证券股份有限公司", **body),
        row("D000000004", ymt="180000000003", name="示例证券约定购回专用账户", **body),
    )

    kinds = [holder.kind for holder in Holder.objects.of_meeting(meeting.pk).order_by("id")]
    assert kinds == ["O", "N", "O", "N"]


def test_an_account_has_one_owner_even_where_a_row_lacks_the_common_number():
    meeting = sample_meeting()

    load_and_approve(
        meeting,
        row("A000000001", circ="有限售条件流通股"),
        row("A000000001", ymt="180000000001"),
        row("A000000002", ymt="180000000001"),
    )

    holder = Holder.objects.of_meeting(meeting.pk).get()
    assert holder.shares == [300]
    key = meeting_key(meeting.pk, MeetingKey.Purpose.INDEX)
    assert bytes(holder.person_index) == records.person_index(
        key, ymt="180000000001", name="", id_type="", id_number="", account=""
    )


def test_classes_of_shares_stay_apart():
    meeting = sample_meeting()
    meeting.share_classes.create(number=1, code="PREF", capital=1_000)

    register = load_and_approve(
        meeting,
        row("A000000001", ymt="180000000001"),
        row("A000000001", ymt="180000000001", class_="优先股", qty="40"),
        row("A000000002", ymt="180000000002", name="李四", class_="YX", qty="2"),
    )

    assert register.shares == {"A": 100, "PREF": 42}
    shares = [holder.shares for holder in Holder.objects.of_meeting(meeting.pk).order_by("id")]
    assert shares == [[100, 40], [0, 2]]


def test_shares_of_a_class_that_the_meeting_lacks_are_refused():
    meeting = sample_meeting()

    register = load(meeting, csv_file(row("A000000001", class_="优先股")))

    assert [(e["kind"], e["row"], e["column"]) for e in register.errors] == [
        ("CLASS_NOT_OF_MEETING", 1, "share_class")
    ]


def test_the_capital_is_judged_before_sums_can_overflow():
    meeting = sample_meeting(capital=10**15)
    rows = [row(f"A{number:09d}", qty="9" * 15) for number in range(10_000)]

    register = load(meeting, csv_file(*rows))

    assert [e["kind"] for e in register.errors] == ["OVER_CAPITAL"]
    assert register.shares == {"A": 10_000 * (10**15 - 1)}


def test_a_new_version_replaces_the_old_until_the_invitation():
    meeting = sample_meeting()
    motion = Motion.objects.create(meeting=meeting, group=1, title="议案")
    recusal = preparing.recuse(
        motion, account="A000000002", name="关联股东", by="operator:1", now=NOW
    )
    first = load_and_approve(meeting, row("A000000001"))

    second = load_and_approve(meeting, row("A000000003"), row("A000000002", id_no=OTHER_ID))

    first.refresh_from_db()
    recusal.refresh_from_db()
    assert (first.state, second.state, second.version) == ("REPLACED", "LOADED", 2)
    assert Holder.objects.of_meeting(meeting.pk).count() == 2
    assert (
        recusal.holder_id
        == Holding.objects.of_meeting(meeting.pk).get(account_masked="A*****0002").holder_id
    )
    waiting = load(meeting, csv_file(row("A000000004")))
    Meeting.objects.filter(pk=meeting.pk).update(state="INVITED")
    with pytest.raises(AlreadyInvited):
        approve_register(waiting.pk, by="operator:2", now=NOW)
    with pytest.raises(AlreadyInvited):
        load(meeting, csv_file(row("A000000005")))
    assert Register.objects.get(state="LOADED") == second
    assert Holder.objects.of_meeting(meeting.pk).count() == 2


def test_a_confirmed_agenda_survives_a_new_register():
    meeting = sample_meeting(state="MOTIONS_CONFIRMED")

    load_and_approve(meeting, row("A000000001"))

    meeting.refresh_from_db()
    assert meeting.state == "MOTIONS_CONFIRMED"


def test_a_discarded_version_leaves_no_table():
    meeting = sample_meeting()
    before = tables_of(meeting)
    register = load(meeting, csv_file(row("A000000001")))

    discard_register(register.pk, by="operator:2", now=NOW)

    register.refresh_from_db()
    assert (register.state, register.rows_loaded) == ("REFUSED", 0)
    assert tables_of(meeting) == before
    assert meeting.journal.filter(verb="register.discarded", actor="operator:2").exists()


def test_stated_totals_must_agree():
    meeting = sample_meeting()
    file = csv_file(row("A000000001"), row("A000000002"))

    register = load_register(
        meeting.pk,
        file,
        file_name="register.csv",
        stated_holders=3,
        stated_shares=199,
        by="operator:1",
        now=NOW,
    )

    assert [(e["kind"], e["value"]) for e in register.errors] == [
        ("TOTAL_ACCOUNTS", "3 ≠ 2"),
        ("TOTAL_SHARES", "199 ≠ 200"),
    ]


def test_an_unknown_column_is_shown():
    meeting = sample_meeting()
    headers = ("证券代码", "证券账户号码", "持有人名称", "持有数量", "备注")

    register = load(meeting, csv_file("600000,A000000001,张三,1,甲", headers=headers))

    assert register.state == "CHECKED"
    assert [(w["kind"], w["column"]) for w in register.warnings] == [("UNKNOWN_COLUMN", "备注")]


def test_a_header_that_is_no_text_is_shown_without_harm():
    meeting = sample_meeting()
    headers = ("证券代码", "证券账户号码", "持有人名称", "持有数量", "备\0注")

    register = load(meeting, csv_file("600000,A000000001,张三,1,\0", headers=headers))

    assert [(e["kind"], e["column"]) for e in register.errors] == [("NUL_BYTE", "备 注")]


def test_an_approved_register_has_the_indexes_of_the_whole_table_and_no_more():
    meeting = sample_meeting()

    load_and_approve(meeting, row("A000000001"))

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.relname, count(*) FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid"
            " JOIN pg_inherits h ON h.inhrelid = i.indexrelid"
            " JOIN pg_class p ON p.oid = h.inhparent"
            " WHERE t.relname LIKE %s GROUP BY 1 ORDER BY 1",
            [f"%_m{meeting.pk}"],
        )
        attached = [name for name, _ in cursor.fetchall() if name.startswith(("holder", "holding"))]
        cursor.execute(
            "SELECT tablename, count(*) FROM pg_indexes WHERE tablename = ANY(%s) GROUP BY 1",
            [[f"meetings_holder_m{meeting.pk}", f"meetings_holding_m{meeting.pk}"]],
        )
        counts = sorted(count for _, count in cursor.fetchall())
    holder = ["holder_nominee", "holder_person", "holder_phone"]
    assert attached == [*holder, "holding_account", "holding_holder"]
    assert counts == [3, 4]


def test_no_personal_data_in_the_register_and_the_journal():
    meeting = sample_meeting()
    secrets = ["15400007777", "虚构张小三", OTHER_ID[:17] + "5", "A000000077"]
    faulty = row(
        "A000000077", name="虚构张小三", id_no=OTHER_ID[:17] + "5", phone="15400007777", qty="0"
    )
    shifted = row(OTHER_ID[:17] + "5", qty="15400007777x", code="A000000077", name="=虚构张小三")

    register = load(meeting, csv_file(faulty, shifted, row("A000000078", id_no=secrets[2])))

    assert register.state == "REFUSED"
    entries = JournalEntry.objects.filter(meeting=meeting).values_list("details", flat=True)
    kept = json.dumps([register.errors, register.warnings, *entries], ensure_ascii=False)
    assert [secret for secret in secrets if secret in kept] == []


def test_what_is_stored_of_a_holder_is_sealed_or_masked():
    meeting = sample_meeting()

    load_and_approve(meeting, row("A000000001", ymt="180000000001"))

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT h::text, a::text, encode(h.sealed, 'escape') FROM meetings_holder h"
            " JOIN meetings_holding a ON a.holder_id = h.id"
        )
        ((*texts,),) = cursor.fetchall()
    for secret in ("张拟三", GOOD_ID, "15400000001", "A000000001", "180000000001"):
        assert secret not in "".join(texts)
        assert secret.encode().hex() not in "".join(texts)


def test_a_load_goes_away_with_the_transaction_around_it():
    meeting = sample_meeting()
    before = tables_of(meeting)

    with transaction.atomic():
        load_and_approve(meeting, row("A000000001"))
        load_and_approve(meeting, row("A000000001"), row("A000000002"))
        assert Holder.objects.of_meeting(meeting.pk).count() == 1
        transaction.set_rollback(True)

    assert tables_of(meeting) == before
    assert not Holder.objects.of_meeting(meeting.pk).exists()
    assert not Register.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_loads_at_once_make_two_versions():
    meeting = sample_meeting()
    together = Barrier(2, timeout=30)

    def load_one(number: int) -> int:
        try:
            connection.ensure_connection()
            together.wait()
            return load(meeting, csv_file(row(f"A{number:09d}"))).version
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        versions = list(pool.map(load_one, range(2)))

    assert sorted(versions) == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_approvals_at_once_put_one_register_in_force():
    meeting = sample_meeting()
    registers = [load(meeting, csv_file(row(f"A{n:09d}"))) for n in range(2)]
    together = Barrier(4, timeout=30)

    def approve(register: Register) -> str:
        try:
            connection.ensure_connection()
            together.wait()
            approve_register(register.pk, by="operator:2", now=NOW)
        except (NotChecked, Outdated):
            return "refused"
        finally:
            connection.close()
        return f"version {register.version}"

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(approve, registers * 2))

    assert outcomes.count("version 2") == 1
    assert outcomes.count("version 1") <= 1
    assert Register.objects.get(state="LOADED").version == 2
    assert Holder.objects.of_meeting(meeting.pk).count() == 1


def test_an_older_version_never_replaces_a_newer_one():
    meeting = sample_meeting()
    older = load(meeting, csv_file(row("A000000001")))
    newer = load_and_approve(meeting, row("A000000002"))

    with pytest.raises(Outdated):
        approve_register(older.pk, by="operator:2", now=NOW)

    assert Register.objects.get(state="LOADED") == newer
    assert Holding.objects.of_meeting(meeting.pk).get().account_masked == "A*****0002"
    discard_register(older.pk, by="operator:2", now=NOW)

"""Objects for tests, made through the project's own verbs where there is one."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from django.utils import timezone

from identity.models import User
from meetings import live
from meetings.keys import meeting_key
from meetings.models import (
    CalendarYear,
    Candidate,
    Holder,
    Holding,
    Issuer,
    Meeting,
    MeetingKey,
    Motion,
    Register,
    ShareClass,
)
from meetings.preparing import prepare_meeting
from meetings.register import records
from voting_portal.common import ids, masking

_numbers = itertools.count(1)


def make_issuer(**fields: object) -> Issuer:
    number = next(_numbers)
    defaults = {
        "security_code": f"60{number:04d}",
        "name": f"上海虚构第{number}股份有限公司",
        "short_name": f"虚构{number}",
    }
    return Issuer.objects.create(**{**defaults, **fields})


def make_meeting(
    *, state: str = "OPEN", now: datetime | None = None, motions: bool = True, **fields: object
) -> Meeting:
    """A rehearsal whose polls are open for an hour more, with A shares.

    Motions: 1.00 ordinary, 2.00 special, 3.00 cumulative with 2 seats and candidates 3.01 to 3.03.
    """
    now = now or timezone.now()
    defaults = {
        "title": "2026年第一次临时股东会",
        "meeting_date": timezone.localdate(now),
        "record_date": timezone.localdate(now) - timedelta(days=3),
        "polls_open_at": now - timedelta(hours=1),
        "polls_close_at": now + timedelta(hours=1),
        "is_rehearsal": True,
        "state": state,
    }
    if "issuer" not in fields:
        defaults["issuer"] = make_issuer()
    meeting = Meeting.objects.create(**{**defaults, **fields})
    ShareClass.objects.create(meeting=meeting, number=0, code="A", capital=1_000_000_000)
    prepare_meeting(meeting, by="operator:0", now=now)
    if motions:
        Motion.objects.create(meeting=meeting, group=1, title="关于年度报告的议案")
        Motion.objects.create(
            meeting=meeting, group=2, title="关于修改公司章程的议案", threshold="SPECIAL"
        )
        election = Motion.objects.create(
            meeting=meeting, group=3, title="关于选举独立董事的议案", kind="CUMULATIVE", seats=2
        )
        for item, name in enumerate(("甲", "乙", "丙"), start=1):
            Candidate.objects.create(motion=election, item=item, name=name)
    live.forget()
    return meeting


def make_register(meeting: Meeting, *, state: str, **fields: object) -> Register:
    """The file of a register in that state; holders are made apart."""
    defaults = {
        "version": 1,
        "file_name": "t1.dbf",
        "file_size": 1,
        "sha256": "0" * 64,
        "uploaded_by": "operator:1",
        "uploaded_at": timezone.now(),
    }
    return Register.objects.create(meeting=meeting, state=state, **{**defaults, **fields})


def make_holder(
    meeting: Meeting,
    *,
    shares: int = 1_000,
    name: str = "张小三",
    phone: str = "15400000001",
    id_number: str = "110105194912310021",
    account: str = "",
    index: int | None = None,
    kind: str = "I",
) -> Holder:
    """A holder of A shares with one account, as the register's loading would have written it."""
    if index is None:
        index = Holder.objects.of_meeting(meeting.pk).count() + 1
    holder = ids.holder_id(meeting.pk, index)
    account = account or f"A{index:09d}"
    key = meeting_key(meeting.pk, MeetingKey.Purpose.INDEX)
    person = records.Person(name, "01", id_number, phone, (account,))
    sealing_key = meeting_key(meeting.pk, MeetingKey.Purpose.RECORDS)
    row = Holder.objects.create(
        id=holder,
        kind=kind,
        name_masked=masking.mask_name(name),
        phone_masked=masking.mask_phone(phone) if phone else "",
        shares=[shares],
        person_index=records.person_index(
            key, ymt="", name=name, id_type="01", id_number=f"{id_number}{index}", account=account
        ),
        phone_index=records.phone_index(key, phone) if phone else None,
        sealed=records.seal_person(sealing_key, holder, person.encode()),
    )
    Holding.objects.create(
        id=holder,
        holder=row,
        account_index=records.account_index(key, account),
        account_masked=masking.mask_account(account),
        share_class=0,
        shares=shares,
    )
    return row


def make_calendar() -> None:
    """Let the trading calendar know this year and its neighbours; what was shipped stays."""
    year = timezone.localdate().year
    row = {"closed_days": [], "imported_by": "system:tests", "imported_at": timezone.now()}
    for known in (year - 1, year, year + 1):
        CalendarYear.objects.get_or_create(year=known, defaults=row)


def make_operator(**fields: object) -> User:
    number = next(_numbers)
    return User.objects.create(
        username=f"operator{number}",
        **{
            "roles": ["OPERATOR", "APPROVER", "SCRUTINEER", "AUDITOR"],
            "is_staff": True,
            **fields,
        },
    )


def make_secretary(*issuers: Issuer) -> User:
    user = User.objects.create(username=f"secretary{next(_numbers)}", roles=["SECRETARY"])
    user.issuers.set(issuers)
    return user


def make_holders(meeting: Meeting, number: int) -> None:
    """So many individuals with 100 A shares each, at once; holder n has phone 154 and n."""
    index_key = meeting_key(meeting.pk, MeetingKey.Purpose.INDEX)
    sealing_key = meeting_key(meeting.pk, MeetingKey.Purpose.RECORDS)
    rows = []
    for index in range(1, number + 1):
        holder, phone = ids.holder_id(meeting.pk, index), f"154{index:08d}"
        person = records.Person("张小三", "01", f"{index:018d}", phone, (f"A{index:09d}",))
        rows.append(
            Holder(
                id=holder,
                kind="I",
                name_masked="张*三",
                phone_masked=masking.mask_phone(phone),
                shares=[100],
                person_index=index.to_bytes(16),
                phone_index=records.phone_index(index_key, phone),
                sealed=records.seal_person(sealing_key, holder, person.encode()),
            )
        )
    Holder.objects.bulk_create(rows, batch_size=5_000)

"""The synthetic issuer, its people, its meeting and its register. Nothing here is real."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from identity.models import User
from meetings import lifecycle
from meetings.models import (
    Candidate,
    Document,
    Holder,
    Issuer,
    Meeting,
    Motion,
    Register,
    ShareClass,
)
from meetings.preparing import prepare_meeting, recuse
from meetings.register import synthetic
from meetings.register.loading import approve_register, load_register
from meetings.register.records import open_person
from notifications import campaigns
from notifications.models import Campaign
from notifications.routing import plan_of
from notifications.wording import default_wording
from voting_portal.common.roles import Role
from voting_portal.demo.papers import one_page_pdf

SECURITY_CODE = "600999"
POLLS_STAY_OPEN = timedelta(hours=10)
STILL_WORTH_PLAYING = timedelta(minutes=10)
# One makes, the other checks.
DESKS = {
    "operator": [Role.OPERATOR, Role.SYSTEM],
    "checker": [Role.APPROVER, Role.SCRUTINEER, Role.AUDITOR, Role.SECURITY],
}


@dataclass(frozen=True)
class People:
    """Two operators, because one may not approve what the other did, and the secretary."""

    operator: User
    checker: User
    secretary: User


def make_people(issuer: Issuer) -> People:
    operator, checker = (
        User.objects.get_or_create(username=name, defaults={"roles": roles, "is_staff": True})[0]
        for name, roles in DESKS.items()
    )
    secretary, _made = User.objects.get_or_create(
        username="secretary", defaults={"roles": [Role.SECRETARY]}
    )
    secretary.issuers.add(issuer)
    return People(operator, checker, secretary)


def make_issuer() -> Issuer:
    issuer, _made = Issuer.objects.get_or_create(
        security_code=SECURITY_CODE,
        defaults={"name": "上海虚构科技股份有限公司", "short_name": "虚构科技"},
    )
    return issuer


def meeting_to_play(issuer: Issuer) -> Meeting | None:
    """A demo meeting with its notices under way, whose polls stay open long enough to be played.

    None where there is no such meeting: one that was stopped while it was made is left alone.
    """
    return (
        issuer.meetings.filter(
            state__in=[Meeting.State.INVITED, Meeting.State.OPEN],
            polls_close_at__gt=timezone.now() + STILL_WORTH_PLAYING,
            campaigns__started_at__isnull=False,
        )
        .order_by("-id")
        .first()
    )


def make_meeting(issuer: Issuer, people: People) -> Meeting:
    """A rehearsal with eight motions whose polls open at once."""
    now = timezone.now()
    meeting = Meeting.objects.create(
        issuer=issuer,
        title=f"{now:%Y}年第一次临时股东会",
        meeting_date=timezone.localdate(now),
        record_date=timezone.localdate(now) - timedelta(days=3),
        polls_open_at=now,
        polls_close_at=now + POLLS_STAY_OPEN,
        is_rehearsal=True,
    )
    prepare_meeting(meeting, by=people.operator.actor, now=now)
    motions = (
        ("ORDINARY", "关于2025年度董事会工作报告的议案"),
        ("ORDINARY", "关于2025年度利润分配方案的议案"),
        ("ORDINARY", "关于续聘会计师事务所的议案"),
        ("SPECIAL", "关于修改《公司章程》的议案"),
        ("SPECIAL", "关于2026年股票期权激励计划(草案)的议案"),
        ("ORDINARY", "关于与控股股东签订关联交易框架协议的议案"),
        ("ORDINARY", "关于提高2025年度现金分红比例的议案"),
    )
    # The last one comes from a shareholder, and the board says what it thinks of it.
    of_holders = {
        "proposer": Motion.Proposer.HOLDERS,
        "proposer_name": "上海虚构投资有限公司（持股3.20%）",
        "board_opinion": "董事会认为该提案会影响在建项目的资金安排，建议股东投反对票。",
    }
    for group, (threshold, title) in enumerate(motions, start=1):
        motion = Motion.objects.create(
            meeting=meeting,
            group=group,
            title=title,
            threshold=threshold,
            **(of_holders if group == len(motions) else {}),
        )
        if group in (1, 2, 4):
            content = one_page_pdf(f"Motion {motion.number} of a synthetic meeting")
            Document.objects.create(
                meeting=meeting, motion=motion, title="议案全文", **content.as_fields()
            )
    election = Motion.objects.create(
        meeting=meeting,
        group=8,
        title="关于选举第八届董事会独立董事的议案",
        kind=Motion.Kind.CUMULATIVE,
        seats=3,
    )
    for item, name in enumerate(("虚甲一", "虚乙二", "虚丙三", "虚丁四"), start=1):
        Candidate.objects.create(motion=election, item=item, name=name)
    return meeting


def load_holders(
    meeting: Meeting,
    people: People,
    *,
    holders: int,
    directory: Path,
    progress: Callable[[float], None] | None = None,
) -> Register:
    """Write a GB18030 DBF of so many holders, load it by one person and approve it by the other."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"t1_{SECURITY_CODE}_{holders}.dbf"
    stated = synthetic.write_register(
        file,
        holders=holders,
        format="dbf",
        seed=1,
        security_code=SECURITY_CODE,
        record_date=meeting.record_date,
    )
    ShareClass.objects.create(
        meeting=meeting, number=0, code=ShareClass.Code.A, capital=stated.total_shares + 100_000_000
    )
    with file.open("rb") as source:
        register = load_register(
            meeting.pk,
            source,
            file_name=file.name,
            stated_holders=stated.accounts,
            stated_shares=stated.total_shares,
            by=people.operator.actor,
            now=timezone.now(),
            progress=progress,
        )
    for written in directory.glob(f"{file.name}*"):
        written.unlink()
    if register.state == Register.State.REFUSED:
        raise RuntimeError(f"the synthetic register was refused: {register.errors[:3]}")
    return approve_register(register.pk, by=people.checker.actor, now=timezone.now())


def invite_holders(meeting: Meeting, people: People) -> Campaign:
    """Name a recused holder, confirm the agenda, open the links and start the notice campaign."""
    related = (
        Holder.objects.of_meeting(meeting.pk)
        .filter(kind=Holder.Kind.INDIVIDUAL)
        .exclude(phone_masked="")
        .order_by("id")
    )[1]
    now = timezone.now()
    recuse(
        meeting.motions.get(group=6),
        account=open_person(related).accounts[0],
        name="虚构控股有限公司",
        by=people.operator.actor,
        now=now,
    )
    lifecycle.confirm_motions(meeting.pk, by=people.operator.actor, now=now)
    lifecycle.invite(meeting.pk, by=people.checker.actor, now=now)
    campaign = campaigns.plan_campaign(
        meeting.pk,
        wording=default_wording(),
        plan=plan_of("sms"),
        by=people.operator.actor,
        now=now,
    )
    # A long register is planned part by part; the worker that would do it is not there yet.
    while campaigns.plan_waiting(now=now):
        pass
    campaigns.approve_campaign(campaign.pk, by=people.checker.actor, now=now)
    return campaigns.start_campaign(campaign.pk, by=people.operator.actor, now=now)


def phone_of(holder: Holder) -> str:
    return open_person(holder).phone


def players(meeting: Meeting) -> tuple[Holder, Holder]:
    """Two holders with a phone: an ordinary one, and the one who is recused from a motion."""
    first, second = (
        Holder.objects.of_meeting(meeting.pk)
        .filter(kind=Holder.Kind.INDIVIDUAL)
        .exclude(phone_masked="")
        .order_by("id")
    )[:2]
    return first, second


class Stopwatch:
    """Says what is being done and how long it took."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.started = time.monotonic()

    def lap(self, text: str) -> None:
        now = time.monotonic()
        self.say(f"{text} ({now - self.started:.1f} s)")
        self.started = now

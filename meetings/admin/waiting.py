"""What meetings put on somebody's desk: registers to approve, links to open, results to publish."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from meetings.models import Meeting, Register
from voting_portal.common.roles import Role
from voting_portal.desk import MOST_OF_A_SOURCE, UNDER_WAY, WAITING, UnderWay, Waiting

# Steps that a second person takes, by state: role, label, who took the one before.
STEPS = {
    Meeting.State.MOTIONS_CONFIRMED: (Role.APPROVER, _("开放投票链接"), "confirmed_by"),
    Meeting.State.TALLIED: (Role.OPERATOR, _("确认结果"), ""),
    Meeting.State.CERTIFIED: (Role.APPROVER, _("公布结果"), "certified_by"),
}


def registers_to_approve() -> Iterator[Waiting]:
    checked = Register.objects.filter(state=Register.State.CHECKED)
    for register in checked.select_related("meeting__issuer").order_by("id")[:MOST_OF_A_SOURCE]:
        yield Waiting(
            Role.APPROVER,
            _("复核股东名册"),
            str(register.meeting),
            reverse("admin:meetings_register_change", args=[register.pk]),
            register.uploaded_by,
            register.uploaded_at,
        )


def meetings_to_move() -> Iterator[Waiting]:
    meetings = Meeting.objects.filter(state__in=STEPS).exclude(
        state=Meeting.State.CERTIFIED, is_rehearsal=True
    )
    in_order = meetings.select_related("issuer").order_by("meeting_date", "id")
    for meeting in in_order[:MOST_OF_A_SOURCE]:
        role, label, done_by = STEPS[Meeting.State(meeting.state)]
        address = reverse("admin:meetings_meeting_change", args=[meeting.pk])
        asked_by = getattr(meeting, done_by) if done_by else ""
        yield Waiting(role, label, str(meeting), address, asked_by)


def registers_under_way() -> Iterator[UnderWay]:
    received = Register.objects.filter(state=Register.State.RECEIVED)
    for register in received.select_related("meeting__issuer").order_by("id")[:MOST_OF_A_SOURCE]:
        yield UnderWay(
            _("检查股东名册"),
            str(register.meeting),
            reverse("admin:meetings_register_change", args=[register.pk]),
            register.progress,
        )


WAITING += [registers_to_approve, meetings_to_move]
UNDER_WAY.append(registers_under_way)

"""What a meeting still lacks for its next state (待办清单), each line with the way to mend it.

Apps above this one add lines of their own. The verbs judge for themselves: this list only says
beforehand what they would say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from meetings.agenda import read_agenda
from meetings.agenda_approval import APPROVABLE, Approval, approval_of
from meetings.calendar import read_calendar
from meetings.dates import faults_of_dates
from meetings.drafting import EDITABLE
from meetings.lifecycle import problems_of_agenda
from meetings.models import Meeting, Register

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

State = Meeting.State
FIELD_OF_DATE = "#id_{}"


@dataclass(frozen=True)
class Item:
    """One line: what it is about, whether it is done, and the page where it is mended.

    One that is not needed hinders nothing; it is only worth a look.
    """

    label: StrOrPromise
    is_done: bool
    address: str
    is_needed: bool = True

    @property
    def state(self) -> str:
        if self.is_done:
            return "done"
        return "missing" if self.is_needed else "optional"


CHECKS: list[Callable[[Meeting], Iterable[Item]]] = []


def checklist_of(meeting: Meeting) -> list[Item]:
    """The lines of the meeting's state, what is needed and missing first."""
    items = [item for check in CHECKS for item in check(meeting)]
    return sorted(items, key=lambda item: ("missing", "optional", "done").index(item.state))


def _before_confirmation(meeting: Meeting) -> Iterator[Item]:
    if meeting.state not in EDITABLE:
        return
    here = reverse("admin:meetings_meeting_change", args=[meeting.pk])
    problems = problems_of_agenda(meeting)
    for problem in problems:
        yield Item(problem, False, f"{here}#motions-group")
    if not problems:
        number = meeting.motions.count()
        yield Item(
            _("议程完整，共%(number)s项") % {"number": number}, True, f"{here}#motions-group"
        )
    faults = faults_of_dates(meeting, read_calendar())
    for fault in faults:
        address = (
            reverse("admin:meetings_calendaryear_add")
            if fault.rule == "CALENDAR"
            else here + FIELD_OF_DATE.format(fault.field)
        )
        yield Item(fault.message, False, address, is_needed=fault.is_hard)
    if not faults:
        label = _("演练不受日期规则限制") if meeting.is_rehearsal else _("日期符合规则")
        yield Item(label, True, f"{here}#id_meeting_date")
    has_papers = meeting.documents.exists()
    yield Item(_("会议资料（PDF）"), has_papers, f"{here}#documents-group", is_needed=False)
    has_notice = bool(meeting.notice_url)
    yield Item(_("会议公告网址"), has_notice, f"{here}#id_notice_url", is_needed=False)


def _approval(meeting: Meeting) -> Iterator[Item]:
    """The company's word on the agenda. No step waits for it: links are open days before it is due,
    and whether a meeting goes on without it is for people to decide. Overdue, it stands on top.
    """
    if meeting.state in APPROVABLE:
        approval = approval_of(read_agenda(meeting.pk), calendar=read_calendar())
        address = reverse("admin:meeting-journal", args=[meeting.pk])
        if approval.due_at is None:
            address = reverse("admin:meetings_calendaryear_add")
        is_overdue = approval.is_overdue(at=timezone.now()) and not meeting.is_rehearsal
        yield Item(_words_of(approval), approval.holds, address, is_needed=is_overdue)


def _words_of(approval: Approval) -> str:
    at, due = (
        f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else ""
        for moment in (approval.at, approval.due_at)
    )
    words = {"at": at, "due": due}
    if approval.holds:
        late = _("公司已校对议程（%(at)s，逾期：截止%(due)s）")
        return (late if approval.is_late else _("公司已校对议程（%(at)s）")) % words
    said = _("公司校对后议程又有改动，须重新校对") if approval.is_void else _("公司尚未校对议程")
    if not due:
        return said + _("；截止时间未定：交易日历中还没有会议所在的年份")
    if approval.is_overdue(at=timezone.now()):
        return said + _("；已逾期，截止时间是%(due)s，请催董秘办理") % words
    return said + _("；截止%(due)s") % words


def _register(meeting: Meeting) -> Iterator[Item]:
    if meeting.state not in (*EDITABLE, State.MOTIONS_CONFIRMED):
        return
    newest = meeting.registers.order_by("-version").first()
    if newest is None:
        address = reverse("admin:meeting-register", args=[meeting.pk])
        yield Item(_("尚未上传股东名册"), False, address)
        return
    address = reverse("admin:meetings_register_change", args=[newest.pk])
    words = {"version": newest.version, "state": newest.get_state_display()}
    label = _("股东名册第%(version)s版：%(state)s") % words
    yield Item(label, newest.state == Register.State.LOADED, address)


def _lists(meeting: Meeting) -> Iterator[Item]:
    needs_insiders = meeting.motions.filter(is_for_minority_count=True).exists()
    if meeting.state in (State.INVITED, State.OPEN, State.CLOSED) and needs_insiders:
        yield Item(
            _("董监高和一致行动人名单的确认（须对中小投资者单独计票）"),
            bool(meeting.insiders_confirmed_by),
            reverse("admin:meeting-list", args=[meeting.pk]),
        )


CHECKS += [_before_confirmation, _register, _approval, _lists]

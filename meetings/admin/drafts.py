"""Agendas that come in whole: a file is shown row by row, then put in; or a meeting is copied."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import PurePath
from typing import Any

import xlsxwriter
from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core import signing
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from meetings.admin.setting_up import MeetingForm
from meetings.drafting import EDITABLE, MotionDraft, copy_meeting, put_agenda
from meetings.lifecycle import CannotAdvance
from meetings.models import Meeting
from meetings.motion_files import HEADERS, MotionFile, read_table
from meetings.motion_xml import read_xml
from voting_portal.admin import actor_of, require_role
from voting_portal.common.roles import Role

_SALT = "meetings.admin.drafts"
STILL_GOOD = timedelta(hours=1)  # what was shown may be put in so long
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EXAMPLES = (
    ("1", "关于2026年度董事会工作报告的议案", "", "", "", ""),
    ("2", "关于修改《公司章程》的议案", "", "特别决议", "", ""),
    ("3.00", "关于回购股份方案的议案", "总标题", "", "", ""),
    ("3.01", "回购股份的目的", "", "", "", ""),
    ("3.02", "回购股份的价格区间", "", "", "", ""),
    ("4.00", "关于选举独立董事的议案", "累积投票议案", "", "2", "甲、乙、丙"),
    (
        *("5", "关于提高现金分红比例的议案", *[""] * 11),
        *("股东", "某某集团有限公司（持股3.20%）", "董事会建议股东投反对票。"),
    ),
)
CHOICES = {
    "类型": ["总标题", "累积投票议案"],
    "决议类型": ["普通决议", "特别决议"],
    "提案人": ["董事会", "监事会", "审计委员会", "股东"],
}


class AgendaFileForm(forms.Form):
    file = forms.FileField(
        label=_("议案文件"), help_text=_("XLSX或CSV（按模板填写），或沪深交易所格式的XML")
    )
    control = forms.FileField(
        label=_("校验文件"),
        required=False,
        help_text=_("仅XML：随附的…Vd.xml，核对大小、MD5和数目"),
    )


def upload_agenda(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """Show what a file would make of the agenda; put it in once somebody has seen it."""
    require_role(request, Role.OPERATOR)
    meeting = get_object_or_404(Meeting.objects.select_related("issuer"), pk=meeting_id)
    if meeting.state not in EDITABLE:
        raise Http404
    if request.method == "POST" and "drafts" in request.POST:
        return _put_in(request, meeting)
    form = AgendaFileForm(request.POST or None, request.FILES or None)
    context = {
        **site.each_context(request),
        "title": _("导入议案"),
        "form": form,
        "meeting": meeting,
        "number": meeting.motions.count(),
    }
    status = 200
    if request.method == "POST" and form.is_valid():
        found = _read(form.cleaned_data, meeting)
        lists = [draft.as_list() for draft in found.drafts]
        context |= {
            "found": found,
            "drafts": signing.dumps(lists, salt=f"{_SALT}.{meeting.pk}", compress=True),
        }
        status = 422 if found.faults else 200
    elif form.errors:
        status = 422
    return render(request, "admin/meetings/meeting/agenda.html", context, status=status)


def _read(cleaned: dict[str, Any], meeting: Meeting) -> MotionFile:
    file, control = cleaned["file"], cleaned["control"]
    if PurePath(file.name).suffix.lower() == ".xml":
        return read_xml(file, security_code=meeting.issuer.security_code, control=control)
    return read_table(file, file_name=file.name)


def _put_in(request: HttpRequest, meeting: Meeting) -> HttpResponse:
    try:
        lists = signing.loads(
            request.POST["drafts"], salt=f"{_SALT}.{meeting.pk}", max_age=STILL_GOOD
        )
        made = put_agenda(
            meeting.pk,
            [MotionDraft.from_list(values) for values in lists],
            by=actor_of(request),
            now=timezone.now(),
        )
    except signing.BadSignature:
        messages.error(request, _("预览已过期，请重新上传文件。"))
        return redirect("admin:meeting-agenda", meeting.pk)
    except CannotAdvance as refusal:
        messages.error(request, str(refusal))
        return redirect("admin:meeting-agenda", meeting.pk)
    messages.success(request, _("已导入%(number)s项议案。") % {"number": len(made)})
    return redirect("admin:meetings_meeting_change", meeting.pk)


@require_GET
def agenda_template(request: HttpRequest) -> FileResponse:
    """A sheet with the headers that are read, and a few rows as an example."""
    require_role(request, Role.OPERATOR)
    content = io.BytesIO()
    workbook = xlsxwriter.Workbook(content, {"in_memory": True})
    sheet = workbook.add_worksheet("议案")
    bold = workbook.add_format({"bold": True, "bg_color": "#E8EEF4", "border": 1})
    text = workbook.add_format({"num_format": "@"})
    headers = [known[0] for known in HEADERS.values()]
    for column, header in enumerate(headers):
        sheet.write_string(0, column, header, bold)
        sheet.set_column(column, column, 50 if header == "议案名称" else 14, text)
    for row, cells in enumerate(EXAMPLES, start=1):
        for column, cell in enumerate(cells):
            if cell:
                sheet.write_string(row, column, cell, text)
    for header, words in CHOICES.items():
        column = headers.index(header)
        sheet.data_validation(1, column, 500, column, {"validate": "list", "source": words})
    sheet.freeze_panes(1, 0)
    workbook.close()
    content.seek(0)
    name = "motions-template.xlsx"
    return FileResponse(content, as_attachment=True, filename=name, content_type=XLSX)


class CopyForm(MeetingForm):
    """The days and the name of the copy; all else comes from the earlier meeting."""

    issuer = None  # type: ignore[assignment]
    polls_open_at = polls_close_at = None  # type: ignore[assignment]

    class Meta(MeetingForm.Meta):
        fields = (  # type: ignore[assignment]
            *("kind", "title", "is_rehearsal"),
            *("notice_date", "record_date", "meeting_date"),
        )


def copy_page(request: HttpRequest, meeting_id: int, site: AdminSite) -> HttpResponse:
    """Ask for the days of a new meeting and make it from this one."""
    require_role(request, Role.OPERATOR)
    source = get_object_or_404(Meeting.objects.select_related("issuer"), pk=meeting_id)
    blank = Meeting(issuer=source.issuer, prevote=source.prevote)
    initial = {"kind": source.kind, "title": source.title}
    form = CopyForm(request.POST or None, instance=blank, initial=initial)
    if request.method == "POST" and form.is_valid():
        meeting = copy_meeting(
            source.pk,
            **{name: form.cleaned_data[name] for name in CopyForm.Meta.fields},
            by=actor_of(request),
            now=timezone.now(),
        )
        messages.success(request, _("已新建草稿：请核对股本、议案和会议资料。"))
        return redirect("admin:meetings_meeting_change", meeting.pk)
    context = {
        **site.each_context(request),
        "title": _("以此新建会议"),
        "form": form,
        "meeting": source,
    }
    status = 422 if form.errors else 200
    return render(request, "admin/meetings/meeting/copy.html", context, status=status)

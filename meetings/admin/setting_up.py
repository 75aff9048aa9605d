"""The form of a meeting's own facts: what breaks a rule is said beside the field it is about."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from meetings.calendar import read_calendar
from meetings.dates import faults_of_dates, lawful_hours
from meetings.models import Issuer, Meeting

DAYS = (
    *("meeting_date", "record_date", "notice_date", "kind", "prevote"),
    *("polls_open_at", "polls_close_at"),
)
MOMENT = "%Y-%m-%dT%H:%M"


class IssuerCode(forms.ModelChoiceField[Issuer]):
    """An issuer by its security code, as it stands on every paper of the meeting."""

    def __init__(self) -> None:
        super().__init__(
            Issuer.objects.all(),
            to_field_name="security_code",
            label=_("证券代码"),
            widget=forms.TextInput(
                attrs={"size": 8, "maxlength": 6, "inputmode": "numeric", "autocomplete": "off"}
            ),
            error_messages={
                "invalid_choice": _("没有这个证券代码的上市公司：请核对，或先在“上市公司”中增加。")
            },
        )


def moment(label: Any) -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT)
    return forms.DateTimeField(label=label, required=False, widget=widget)


class MeetingForm(forms.ModelForm[Meeting]):
    """A meeting whose days keep the calendar's rules; blank hours become the lawful ones."""

    issuer = IssuerCode()
    polls_open_at = moment(_("投票开始"))
    polls_close_at = moment(_("投票截止"))

    class Meta:
        model = Meeting
        fields = ("issuer",)  # the admin names the others
        widgets = {
            **{
                name: forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
                for name in ("meeting_date", "record_date", "notice_date")
            },
            "onsite_vote_start": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "notice_url": forms.URLInput(attrs={"size": 60}),
        }
        help_texts = {
            "meeting_date": _("须为交易日。"),
            "record_date": _("与召开日相隔不多于7个工作日，其间至少2个交易日；确认后不得变更。"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.issuer_id and "issuer" in self.fields:
            self.initial["issuer"] = self.instance.issuer.security_code
        if "polls_close_at" in self.fields:
            self.fields["polls_close_at"].help_text = _("投票时间留空则为法定时段，9:15至15:00。")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        values = self.cleaned_data
        if values.get("meeting_date"):
            hours = lawful_hours(values["meeting_date"], values.get("prevote"))
            for name, hour in zip(("polls_open_at", "polls_close_at"), hours, strict=True):
                if name not in self.errors:
                    values[name] = values.get(name) or hour
        opening, closing = values.get("polls_open_at"), values.get("polls_close_at")
        if opening and closing and opening >= closing:
            self.add_error("polls_close_at", _("投票截止须在投票开始之后。"))
        if not self.errors:
            self._hold_against_the_rules(values)
        return cleaned

    def _hold_against_the_rules(self, values: dict[str, Any]) -> None:
        days = {name: values.get(name, getattr(self.instance, name)) for name in DAYS}
        planned = Meeting(is_rehearsal=values["is_rehearsal"], **days)
        if planned.record_date > planned.meeting_date:
            self.add_error("record_date", _("股权登记日须在召开日之前。"))
            return
        for fault in faults_of_dates(planned, read_calendar()):
            if fault.is_hard:
                self.add_error(fault.field, fault.message)

"""Holders on a list of the meeting: recused, insiders, concert parties, and what staff decided.

An account is typed in once; only its masked form is ever shown again.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meetings.lifecycle import CannotAdvance
from meetings.models import ConcertParty, Insider, KindDecision, ListedHolder, Recusal
from meetings.preparing import decide_kind, name_concert_party, name_insider, recuse
from voting_portal.admin import OperatorAdmin, actor_of


class ListedHolderForm(forms.ModelForm[Any]):
    account = forms.RegexField(r"^([ABDEF]\d{9}|C[19]\d{8})$", label=_("证券账户"), required=True)


class ListedHolderAdmin(OperatorAdmin):
    """Rows are added by their verb and never changed."""

    form = ListedHolderForm
    raw_id_fields = ("meeting",)
    search_fields = (
        "meeting__issuer__security_code",
        "meeting__issuer__short_name",
        "name",
    )
    ordering = ("-meeting", "id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_operator(request)

    @admin.display(description=_("名册中已找到"), boolean=True)
    def is_found(self, listed: ListedHolder) -> bool:
        return listed.holder_id is not None

    def add(self, obj: Any, **named: Any) -> ListedHolder:
        """Call the verb that puts a holder on the list."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, _change: bool) -> None:
        made = self.add(
            obj,
            account=form.cleaned_data["account"],
            name=obj.name,
            by=actor_of(request),
            now=timezone.now(),
        )
        obj.pk = made.pk

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().add_view(request, *args, **kwargs)
        except CannotAdvance as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return self.changelist_view(request)


@admin.register(Recusal)
class RecusalAdmin(ListedHolderAdmin):
    """Related holders who must not vote on a motion."""

    fields = ("motion", "name", "account")
    list_display = ("motion", "name", "account_masked", "is_found")
    list_select_related = ("motion",)
    raw_id_fields = ("motion",)
    search_fields = (
        "motion__meeting__issuer__security_code",
        "motion__meeting__issuer__short_name",
        "name",
    )
    ordering = ("motion", "id")

    def add(self, obj: Any, **named: Any) -> ListedHolder:
        return recuse(obj.motion, **named)


@admin.register(Insider)
class InsiderAdmin(ListedHolderAdmin):
    """Directors and senior managers, who are no minority holders."""

    fields = ("meeting", "name", "account")
    list_display = ("meeting", "name", "account_masked", "is_found")
    list_select_related = ("meeting__issuer",)

    def add(self, obj: Any, **named: Any) -> ListedHolder:
        return name_insider(obj.meeting_id, **named)


@admin.register(ConcertParty)
class ConcertPartyAdmin(ListedHolderAdmin):
    """Holders who act in concert, by group."""

    fields = ("meeting", "group", "name", "account")
    list_display = ("meeting", "group", "name", "account_masked", "is_found")
    list_select_related = ("meeting__issuer",)

    def add(self, obj: Any, **named: Any) -> ListedHolder:
        return name_concert_party(obj.meeting_id, group=obj.group, **named)


@admin.register(KindDecision)
class KindDecisionAdmin(ListedHolderAdmin):
    """What a holder is, where its name says something else."""

    fields = ("meeting", "kind", "name", "account")
    list_display = ("meeting", "kind", "name", "account_masked", "is_found")
    list_select_related = ("meeting__issuer",)

    def add(self, obj: Any, **named: Any) -> ListedHolder:
        return decide_kind(obj.meeting_id, kind=obj.kind, **named)

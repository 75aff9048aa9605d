"""The admin site of exchange staff: our name on it, our sign-in page before it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from functools import cache
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.auth import get_user_model
from django.db.models import Field, Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from voting_portal.common.roles import AT_MEETINGS, Role
from voting_portal.desk import desk_of, under_way


def actor_of(request: HttpRequest) -> str:
    """How the journal names the operator who asks; the admin lets in nobody without a name."""
    user: Any = request.user
    return str(user.actor)


def has_role(request: HttpRequest, roles: Collection[Role]) -> bool:
    """Whether the one who asks works here in one of these roles."""
    user: Any = request.user
    return user.is_active and user.is_staff and not user.role_set.isdisjoint(roles)


def require_role(request: HttpRequest, *roles: Role) -> None:
    """Http404 for everybody without one of these roles: what is not one's own is not found."""
    if not has_role(request, roles):
        raise Http404


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """How people are called who stand in the journal as `operator:3`; one query."""
    ids = {number for actor in actors if (number := actor.partition(":")[2]).isdecimal()}
    users: Any = get_user_model()
    return {user.actor: user.get_username() for user in users.objects.filter(pk__in=ids)}


APPS = ("meetings", "notifications", "ballots", "retention", "incidents", "identity")


class PortalAdminSite(admin.AdminSite):
    site_title = _("一键通管理")
    site_header = _("股东会网络投票一键通")
    index_title = _("会务管理")
    site_url = None
    enable_nav_sidebar = False
    index_template = "admin/desk.html"

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The front page: what waits for the one who asks, what is under way, then all pages."""
        user: Any = request.user
        desk = desk_of(user.actor, user.role_set)
        names = names_of(entry.asked_by for entry in desk.mine)
        context = {
            "desk": desk,
            "mine": [(e, names.get(e.asked_by, e.asked_by)) for e in desk.mine],
            "under_way": under_way() if has_role(request, AT_MEETINGS) else [],
        }
        return super().index(request, {**context, **(extra_context or {})})

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """The stock list in the order of a meeting's life, meetings themselves on top."""
        found: list[dict[str, Any]] = super().get_app_list(request, app_label)
        for app in found:
            app["models"].sort(key=lambda model: model["object_name"] != "Meeting")
        return sorted(found, key=lambda app: (*APPS, app["app_label"]).index(app["app_label"]))

    def login(self, _request: HttpRequest, _extra_context: Any = None) -> HttpResponseRedirect:
        return redirect("identity:staff-login")


class PortalAdminConfig(AdminConfig):
    default_site = "voting_portal.admin.PortalAdminSite"


@cache  # the admin tells columns apart by identity
def separated(model: type[Model], name: str) -> Callable[[Any], str]:
    """A column or read-only field with the number's thousands apart; none where it is unknown."""
    field = cast("Field[Any, Any]", model._meta.get_field(name))

    @admin.display(description=field.verbose_name, ordering=name)
    def figure(subject: Any) -> str:
        number = getattr(subject, name)
        return "–" if number is None else f"{number:,}"

    figure.__name__ = name
    return figure


class WithFigures(BaseModelAdmin[Any]):
    """Fields in `figures` are shown with their thousands apart where nobody may change them."""

    figures: Collection[str] = ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        return fields if self._is_changed(request, obj) else self._with_figures(fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if self._is_changed(request, obj) else [*fields, *self._columns().values()]

    def _is_changed(self, request: HttpRequest, obj: Any) -> bool:
        return bool(self.has_change_permission(request, obj))

    def _columns(self) -> dict[str, Callable[[Any], str]]:
        model = cast("Hashable", self.model)  # what a cached function takes
        return {name: separated(model, name) for name in self.figures}

    def _with_figures(self, fields: Any) -> list[Any]:
        columns = self._columns()
        return [
            columns.get(field, field) if isinstance(field, str) else self._with_figures(field)
            for field in fields
        ]


class OperatorAdmin(WithFigures, admin.ModelAdmin[Any]):
    """What staff may do by default: look, if they work at meetings. Nothing is ever deleted."""

    readers: Collection[Role] = AT_MEETINGS

    def has_view_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return has_role(request, self.readers)

    def is_operator(self, request: HttpRequest) -> bool:
        """Whether the one who asks may make and change things at all."""
        return has_role(request, [Role.OPERATOR])

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The stock page with one button that saves."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_list_display(self, request: HttpRequest) -> Any:
        return self._with_figures(super().get_list_display(request))

    def panel(self, _subject: Any) -> dict[str, Any]:
        """What a row's page shows beside its fields: the context of our own template."""
        return {}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        subject = self.get_object(request, object_id)
        if subject is not None:
            extra_context = {**(extra_context or {}), **self.panel(subject)}
        return super().change_view(request, object_id, form_url, extra_context)

"""Accounts of staff and secretaries: made by one administrator, given roles by two.

System administrators make accounts, ask for roles and hand out sign-in links; security
administrators grant the roles and take a lost authenticator away.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from django_otp.plugins.otp_totp.models import TOTPDevice

from identity import grants, second_factor, staff
from identity.models import RoleGrant, User
from meetings.models import Issuer
from voting_portal.admin import OperatorAdmin, actor_of, has_role, require_role
from voting_portal.common.roles import KEEPS_ACCOUNTS, Role

if TYPE_CHECKING:
    BaseUserAdmin = DjangoUserAdmin[User]
else:
    BaseUserAdmin = DjangoUserAdmin

PASS_LIFETIME = timedelta(hours=24)

admin.site.unregister(Group)  # roles say who may do what
admin.site.unregister(TOTPDevice)  # a page that shows keys


class RolesForm(forms.Form):
    roles = forms.MultipleChoiceField(
        label=_("岗位"), choices=Role, required=False, widget=forms.CheckboxSelectMultiple
    )
    issuers = forms.ModelMultipleChoiceField(
        Issuer.objects.order_by("security_code"), label=_("上市公司"), required=False
    )


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    """Who works here, in which roles, for which companies."""

    list_display = ("username", "role_names", "is_active", "last_login")
    list_filter = ("is_active",)
    search_fields = ("username",)
    ordering = ("username",)
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "is_active")}),
        (_("岗位"), {"fields": ("role_names", "issuer_names", "has_second_factor")}),
        (_("登录"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "usable_password", "password1", "password2")}),)
    readonly_fields = (
        "role_names",
        "issuer_names",
        "has_second_factor",
        "last_login",
        "date_joined",
    )
    change_form_template = "admin/identity/user/change_form.html"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return has_role(request, KEEPS_ACCOUNTS)

    def has_view_permission(self, request: HttpRequest, _obj: User | None = None) -> bool:
        return has_role(request, KEEPS_ACCOUNTS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return has_role(request, [Role.SYSTEM])

    def has_change_permission(self, request: HttpRequest, _obj: User | None = None) -> bool:
        return has_role(request, [Role.SYSTEM])

    def has_delete_permission(self, _request: HttpRequest, _obj: User | None = None) -> bool:
        return False  # the journal names users by number: they are deactivated, not deleted

    @admin.display(description=_("岗位"))
    def role_names(self, user: User) -> str:
        return "、".join(str(role.label) for role in Role if role in user.role_set) or "-"

    @admin.display(description=_("上市公司"))
    def issuer_names(self, user: User) -> str:
        return "、".join(str(issuer) for issuer in user.issuers.order_by("security_code")) or "-"

    @admin.display(description=_("身份验证器"), boolean=True)
    def has_second_factor(self, user: User) -> bool:
        return second_factor.device_of(user) is not None

    def get_urls(self) -> list[URLPattern]:
        wrap, site = self.admin_site.admin_view, {"site": self.admin_site}
        return [
            path("<int:user_id>/roles/", wrap(ask_for_roles), site, name="user-roles"),
            path("<int:user_id>/pass/", wrap(issue_pass), site, name="user-pass"),
            path("<int:user_id>/no-device/", wrap(take_device_away), name="user-no-device"),
            *super().get_urls(),
        ]


def ask_for_roles(request: HttpRequest, user_id: int, site: AdminSite) -> HttpResponse:
    """Ask that somebody have these roles, which a security administrator then grants."""
    require_role(request, Role.SYSTEM)
    user = _user(user_id)
    issuers = list(user.issuers.values_list("pk", flat=True))
    form = RolesForm(request.POST or None, initial={"roles": user.roles, "issuers": issuers})
    if request.method == "POST" and form.is_valid():
        try:
            grants.ask_for_roles(
                user_id,
                roles={Role(role) for role in form.cleaned_data["roles"]},
                issuers=[issuer.pk for issuer in form.cleaned_data["issuers"]],
                by=actor_of(request),
                now=timezone.now(),
            )
        except grants.CannotGrant as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("已申请，请由安全管理员批准。"))
            return redirect("admin:identity_user_change", user_id)
    context = {**site.each_context(request), "form": form, "subject": user}
    status = 422 if form.errors else 200
    return render(request, "admin/identity/user/roles.html", context, status=status)


def issue_pass(request: HttpRequest, user_id: int, site: AdminSite) -> HttpResponse:
    """Make a sign-in link for somebody and show it, this once."""
    require_role(request, Role.SYSTEM)
    user = _user(user_id)
    context = {**site.each_context(request), "subject": user, "hours": 24}
    if request.method == "POST":
        context["address"] = staff.hand_out_pass(
            user, lifetime=PASS_LIFETIME, by=actor_of(request), now=timezone.now()
        )
    response = render(request, "admin/identity/user/pass.html", context)
    response["Cache-Control"] = "no-store, private"
    return response


@require_POST
def take_device_away(request: HttpRequest, user_id: int) -> HttpResponse:
    """Forget an authenticator that was lost."""
    require_role(request, Role.SECURITY)
    second_factor.take_away(_user(user_id).pk, by=actor_of(request), now=timezone.now())
    messages.success(request, _("已清除身份验证器；下次用一次性登录链接登录时重新设置。"))
    return redirect("admin:identity_user_change", user_id)


def _user(user_id: int) -> User:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Http404
    return user


@admin.register(RoleGrant)
class RoleGrantAdmin(OperatorAdmin):
    """What was asked for and who granted it."""

    readers = KEEPS_ACCOUNTS
    list_display = ("user", "roles", "asked_by", "asked_at", "granted_by", "granted_at")
    fields = ("user", "roles", "issuer_names", *list_display[2:])
    readonly_fields = ("issuer_names",)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    ordering = ("-id",)
    change_form_template = "admin/identity/rolegrant/change_form.html"

    @admin.display(description=_("上市公司"))
    def issuer_names(self, grant: RoleGrant) -> str:
        issuers = Issuer.objects.filter(pk__in=grant.issuers).order_by("security_code")
        return "、".join(str(issuer) for issuer in issuers) or "-"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:grant_id>/decide/<slug:decision>/", wrap(decide), name="grant-decide"),
            *super().get_urls(),
        ]


@require_POST
def decide(request: HttpRequest, grant_id: int, decision: str) -> HttpResponse:
    """Grant the roles that were asked for, or refuse them."""
    require_role(request, Role.SECURITY)
    verbs: dict[str, Any] = {"grant": grants.grant_roles, "refuse": grants.refuse_roles}
    if decision not in verbs or not RoleGrant.objects.filter(pk=grant_id).exists():
        raise Http404
    try:
        verbs[decision](grant_id, by=actor_of(request), now=timezone.now())
    except grants.CannotGrant as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("已完成。"))
    return redirect("admin:identity_rolegrant_changelist")

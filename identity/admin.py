"""Users in the admin: for superusers only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from identity.models import User

if TYPE_CHECKING:
    BaseUserAdmin = DjangoUserAdmin[User]
else:
    BaseUserAdmin = DjangoUserAdmin

admin.site.unregister(Group)  # roles say who may do what


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    """Who works here, in which role, for which companies."""

    list_display = ("username", "role", "is_active", "is_superuser", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("username",)
    filter_horizontal = ("issuers",)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("角色"), {"fields": ("role", "issuers", "is_active", "is_staff", "is_superuser")}),
        (_("登录"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2")}),
        (_("角色"), {"fields": ("role", "issuers", "is_staff")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, _obj: User | None = None) -> bool:
        return _is_superuser(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, _obj: User | None = None) -> bool:
        return _is_superuser(request)

    def has_delete_permission(self, _request: HttpRequest, _obj: User | None = None) -> bool:
        return False  # the journal names users by number: they are deactivated, not deleted


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser

"""What the people who work here may do (岗位): least privilege, one role a duty.

Somebody may have several roles; that nobody checks what he made himself is a constraint of the
database wherever two people are needed, whatever their roles.
"""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Role(TextChoices):
    OPERATOR = "OPERATOR", _("会务人员")
    APPROVER = "APPROVER", _("复核人员")
    SCRUTINEER = "SCRUTINEER", _("监票人")
    AUDITOR = "AUDITOR", _("审计人员")
    SYSTEM = "SYSTEM", _("系统管理员")
    SECURITY = "SECURITY", _("安全管理员")
    SECRETARY = "SECRETARY", _("董事会秘书")


# Who sees meetings and what belongs to them. Those who keep accounts or keys need not.
AT_MEETINGS = frozenset({Role.OPERATOR, Role.APPROVER, Role.SCRUTINEER, Role.AUDITOR})
READS_JOURNAL = frozenset({*AT_MEETINGS, Role.SECURITY})
KEEPS_ACCOUNTS = frozenset({Role.SYSTEM, Role.SECURITY})

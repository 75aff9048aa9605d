"""The log in the announcement: what a reader compares with the public page and a bundle."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from ballots.announcement_form import Table
from ballots.log.checkpoints import NotLogged, last_checkpoint


def log_table(meeting_id: int) -> Table:
    """The newest checkpoint, its root in groups; without rows before the close is logged."""
    columns = _("项目"), _("内容")
    try:
        checkpoint = last_checkpoint(meeting_id)
    except NotLogged:
        return Table(_("选票日志"))
    rows = (
        (_("日志名称"), checkpoint.text.split("\n")[0]),
        (_("日志条数"), checkpoint.size),
        (_("日志的根(SHA-256)"), " ".join(checkpoint.groups)),
        (_("验证公钥"), checkpoint.key.vkey),
    )
    return Table(_("选票日志"), rows, columns)


def log_note(meeting_id: int) -> str:
    """The newest checkpoint as it is handed out; blank before the close is logged."""
    try:
        return last_checkpoint(meeting_id).note
    except NotLogged:
        return ""


def log_document(meeting_id: int) -> dict[str, Any] | None:
    """The same for machines: `root` in groups as it is printed; None before the close is logged."""
    try:
        checkpoint = last_checkpoint(meeting_id)
    except NotLogged:
        return None
    return {
        "origin": checkpoint.text.split("\n")[0],
        "size": checkpoint.size,
        "root": " ".join(checkpoint.groups),
        "checkpoint": checkpoint.note,
        "key": checkpoint.key.vkey,
    }

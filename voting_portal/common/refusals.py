"""A refusal (拒绝): nothing was done, and here is why, in words for the person who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Refusal(Exception):
    """The base of refusals whose reason a page shows; children are named for the reason."""

    message: StrOrPromise = _("不能执行这一步。")

    def __init__(self, message: StrOrPromise = "") -> None:
        super().__init__()
        if message:
            self.message = message

    def __str__(self) -> str:
        return str(self.message)

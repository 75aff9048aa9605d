"""What an identity provider is to the portal, whatever it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.utils.translation import gettext_lazy as _

from voting_portal.common.refusals import Refusal


class CannotProve(Refusal):
    """Nobody is verified; `message` says why in words for the holder, `reason` for the logs."""

    message = _("身份核验未通过，请重试或改用其他核验方式。")
    status = 422

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class ProviderDown(CannotProve):
    message = _("核验服务暂时没有响应，请稍后重试或改用其他核验方式。")
    status = 503


def read_time(words: Mapping[str, Any], name: str) -> float:
    """A time in seconds since 1970 as a provider says it; CannotProve when that is no time."""
    value = words.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CannotProve(f"no {name}")
    # Beyond year 9999 Python has no date; infinity and what is not a number fail here as well.
    if not 0 <= value < 253_402_300_800:
        raise CannotProve(f"no {name}")
    return float(value)


@dataclass(frozen=True)
class Attempt:
    """A way to a provider that was begun; the browser carries it, signed, until it is back.

    `holder_id` is 0 when a broker's app began it and nobody has said who comes.
    """

    provider: str
    meeting_id: int
    holder_id: int
    generation: int
    level: int  # of the session that began it
    state: str  # random; comes back in the address
    nonce: str  # random; comes back in what the provider signs
    verifier: str  # of PKCE, never sent through the browser's address
    order: str = ""  # the provider's own number for it


@dataclass(frozen=True)
class Subject:
    """What a provider may be asked about, from the register."""

    name: str = field(repr=False)
    id_type: str = field(repr=False)
    id_number: str = field(repr=False)
    phone: str = field(repr=False)


@dataclass(frozen=True)
class Evidence:
    """What a provider has vouched for.

    With `account`, the securities account of whoever was there; without, that it was the holder of
    the attempt. `ref` is unique at the provider: it counts once.
    """

    provider: str
    level: int
    proved_at: datetime
    ref: str
    account: str = field(default="", repr=False)


class Provider(Protocol):
    """A way to prove who one is. `needs_level` is what the session must have before."""

    name: str
    label: str
    level: int
    needs_level: int
    origins: tuple[str, ...]  # where the browser is sent; the pages' policy must allow them
    knows_holders: bool  # can say who comes; else a holder must be known

    def begin(self, attempt: Attempt, *, subject: Subject | None, back: str) -> tuple[str, Attempt]:
        """Where to send the browser, and the attempt as it is to be kept; CannotProve."""
        ...

    def finish(
        self, attempt: Attempt, answer: Mapping[str, str], *, back: str, now: datetime
    ) -> Evidence:
        """What is proved, once the browser came back with `answer`; CannotProve."""
        ...

"""A person's desk (工作台): what waits for which role, and what is under way in the background.

Each app adds its own sources; the front page of the admin asks all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from voting_portal.common.roles import Role

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST_OF_A_SOURCE = 100


@dataclass(frozen=True)
class Waiting:
    """Something that a person of a role is to decide; nobody decides what he asked for himself."""

    role: Role
    label: StrOrPromise
    subject: str
    address: str
    asked_by: str  # an actor
    asked_at: datetime | None = None


@dataclass(frozen=True)
class UnderWay:
    """Long work of the background; `percent` from 0 to 100."""

    label: StrOrPromise
    subject: str
    address: str
    percent: int
    note: StrOrPromise = ""


@dataclass(frozen=True)
class Desk:
    """What one person sees: what he may decide, and what he asked for that others decide."""

    mine: list[Waiting]
    asked: list[Waiting]


WAITING: list[Callable[[], Iterable[Waiting]]] = []
UNDER_WAY: list[Callable[[], Iterable[UnderWay]]] = []


def desk_of(actor: str, roles: Collection[Role]) -> Desk:
    """What waits for somebody in these roles, and what he waits for; one query a source."""
    waiting = [entry for source in WAITING for entry in source()]
    return Desk(
        mine=[e for e in waiting if e.role in roles and e.asked_by != actor],
        asked=[e for e in waiting if e.asked_by == actor],
    )


def under_way() -> list[UnderWay]:
    """All that is being worked on, source by source."""
    return [entry for source in UNDER_WAY for entry in source()]

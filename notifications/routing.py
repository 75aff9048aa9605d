"""Which gateway takes a message: a campaign's channel plan (发送方案), step by step.

    [[{"gateway": "rcs", "weight": 3}, {"gateway": "rcs-b", "weight": 1}], [{"gateway": "sms"}]]

A plan is a list of steps. The gateways of a step are of one kind and share its messages by weight;
the next step is for those whom this one certainly did not reach (planning.py). A gateway whose
options name `carriers` takes only their phones; somebody must take everybody's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from notifications.carriers import CARRIERS, UNTOLD
from notifications.models import GatewayHealth
from voting_portal import gateways
from voting_portal.common.refusals import Refusal

MOST_STEPS = 8  # as many as a delivery's id has room for
MOST_WEIGHT = 100
MOST_SLOTS = 100  # of a turn among gateways: shares are right to a percent


class BadPlan(Refusal):
    """Such a plan cannot be followed; `message` says why."""


@dataclass(frozen=True)
class Way:
    """A gateway of a step, and how much of the step it takes beside the others."""

    gateway: str
    weight: int

    def serves(self, carrier: str) -> bool:
        """Whether it takes the phones of a carrier; UNTOLD only where it takes everybody's."""
        carriers = settings.GATEWAYS[self.gateway].get("carriers")
        return carriers is None or carrier in carriers


Plan = Sequence[Sequence[Mapping[str, Any]]]
Steps = Sequence[Sequence[Way]]


@dataclass(frozen=True)
class Route:
    """Where the messages to one carrier's phones go: to a step, in turns among its gateways."""

    carrier: str
    step: int
    turns: Sequence[str]  # names of gateways; batch n is for number n, and so on from the first


def plan_of(gateway: str) -> list[list[dict[str, Any]]]:
    """The simplest plan: everything by one gateway."""
    return [[{"gateway": gateway, "weight": 1}]]


def check_plan(plan: Any) -> None:
    """BadPlan when the plan cannot be read or names what cannot be, with words for a form."""
    steps = _read(plan)
    names = [way.gateway for step in steps for way in step]
    for name in names:
        if names.count(name) > 1:
            raise BadPlan(_("通道“%(name)s”在方案中出现了不止一次。") % {"name": name})
        try:
            gateways.gateway(name)
        except gateways.NoSuchGateway:
            raise BadPlan(_("没有名为“%(name)s”的通道。") % {"name": name}) from None
        except (ImproperlyConfigured, LookupError, ValueError, TypeError):
            raise BadPlan(_("通道“%(name)s”的设置有误。") % {"name": name}) from None
    for number, step in enumerate(steps, start=1):
        if len({gateways.gateway(way.gateway).kind for way in step}) > 1:
            raise BadPlan(_("第%(number)s步的通道须为同一类。") % {"number": number})
    if not any(way.serves(UNTOLD) for step in steps for way in step):
        raise BadPlan(_("方案中须至少有一个面向所有运营商的通道。"))


def is_followable(plan: Plan) -> bool:
    """Whether a gateway of the plan can still be used: what others cannot do, it goes on with."""
    return any(gateways.is_usable(way["gateway"]) for step in plan for way in step)


def in_words(plan: Plan) -> str:
    """As `rcs×3 + rcs-b×1 → sms`."""
    steps = read_plan(plan)
    return " → ".join(
        " + ".join(f"{way.gateway}×{way.weight}" if len(step) > 1 else way.gateway for way in step)
        for step in steps
    )


def read_plan(plan: Plan) -> Steps:
    """The steps of a plan that was checked once."""
    return [[Way(way["gateway"], way.get("weight", 1)) for way in step] for step in plan]


def routes(plan: Plan, *, since: int = 0) -> list[Route]:
    """For each carrier the first step from `since` on that serves it, and the turns in it.

    One route for everybody, of the carrier UNTOLD, when the plan asks for no carrier. A carrier
    that no step serves any more is left out. Gateways that were removed from the settings, are
    misconfigured or eased off have no part; see easing.py.
    """
    steps = read_plan(plan)
    asks = any(
        "carriers" in settings.GATEWAYS.get(way.gateway, {}) for step in steps for way in step
    )
    points = dict(GatewayHealth.objects.values_list("gateway", "points"))
    found = []
    for carrier in (UNTOLD, *CARRIERS) if asks else (UNTOLD,):
        for number, step in enumerate(steps[since:], start=since):
            ways = usable_ways(step, carrier)
            if ways:
                found.append(Route(carrier, number, turns(ways, points)))
                break
    return found


def usable_ways(step: Sequence[Way], carrier: str) -> list[Way]:
    """The gateways of a step that take a carrier's phones and whose settings are right."""
    return [way for way in step if gateways.is_usable(way.gateway) and way.serves(carrier)]


def turns(ways: Sequence[Way], points: Mapping[str, int]) -> list[str]:
    """Names of gateways in the order in which batches go to them, evenly mixed by their shares.

    A share is weight × points of health. When all have no points left, they share by weight alone.
    """
    full = GatewayHealth.AT_REST
    shares = {way.gateway: way.weight * points.get(way.gateway, full) for way in ways}
    if not any(shares.values()):
        shares = {way.gateway: way.weight for way in ways}
    total = sum(shares.values())
    owed = dict.fromkeys(shares, 0)
    order = []
    for _slot in range(min(MOST_SLOTS, total // math.gcd(*shares.values()))):
        for name, share in shares.items():
            owed[name] += share
        chosen = max(owed, key=lambda name: owed[name])
        owed[chosen] -= total
        order.append(chosen)
    return order


def _read(plan: Any) -> Steps:
    """The steps of a plan from outside; BadPlan when it is none."""
    if not isinstance(plan, list) or not 1 <= len(plan) <= MOST_STEPS:
        raise BadPlan(_("方案须有1至%(most)s步。") % {"most": MOST_STEPS})
    for step in plan:
        if not isinstance(step, list) or not step:
            raise BadPlan(_("方案的每一步须至少有一个通道。"))
        for way in step:
            is_named = isinstance(way, dict) and isinstance(way.get("gateway"), str)
            weight = way.get("weight", 1) if is_named else 0
            if type(weight) is not int or not 1 <= weight <= MOST_WEIGHT:
                raise BadPlan(
                    _("方案中的每个通道须有名称和1至%(most)s的权重。") % {"most": MOST_WEIGHT}
                )
    return read_plan(plan)

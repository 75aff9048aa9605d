"""The result as anybody may read it once it is public (公布的结果): a card a motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from ballots.announcement_tables import outcome_name
from ballots.charts import charts_of
from ballots.models import Opinion
from meetings.agenda import Agenda, MotionPaper

_NAMES = {"for": Opinion.FOR, "against": Opinion.AGAINST, "abstain": Opinion.ABSTAIN}


@dataclass(frozen=True)
class Figure:
    """Votes for an opinion or a candidate with their percentage as it is announced."""

    label: str
    votes: int
    percent: str
    is_elected: bool = False


@dataclass(frozen=True)
class MotionResult:
    """What became of one motion; of a heading only its number and title."""

    motion: MotionPaper
    outcome: str = ""  # 通过, 未通过; blank for elections
    is_carried: bool = False
    figures: tuple[Figure, ...] = ()
    minority: tuple[Figure, ...] = ()
    chart: SafeString | None = None


def motion_results(agenda: Agenda, content: Mapping[str, Any]) -> list[MotionResult]:
    """The motions in the order of the agenda; `content` is the document of results.py."""
    charts = dict(charts_of(agenda, dict(content)))
    return [
        MotionResult(motion)
        if motion.is_heading
        else _result(motion, content["motions"][motion.number], charts.get(motion.number))
        for motion in agenda.motions
    ]


def _result(
    motion: MotionPaper, result: Mapping[str, Any], chart: SafeString | None
) -> MotionResult:
    minority = result.get("minority")
    if motion.is_cumulative:
        return MotionResult(
            motion,
            figures=_candidates(motion, result["candidates"]),
            minority=_candidates(motion, minority["candidates"]) if minority else (),
            chart=chart,
        )
    return MotionResult(
        motion,
        outcome=outcome_name(result["outcome"]),
        is_carried=result["outcome"] == "passed",
        figures=_opinions(result["total"]),
        minority=_opinions(minority) if minority else (),
        chart=chart,
    )


def _opinions(figures: Mapping[str, Any]) -> tuple[Figure, ...]:
    return tuple(
        Figure(str(opinion.label), figures[name], figures[f"{name}_pct"])
        for name, opinion in _NAMES.items()
    )


def _candidates(motion: MotionPaper, figures: Mapping[str, Any]) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            candidate.name,
            figures[candidate.number]["votes"],
            figures[candidate.number]["ratio"],
            is_elected=figures[candidate.number].get("elected", False),
        )
        for candidate in motion.candidates
    )

"""Drafting (起草): an agenda put into a meeting whole, from a file or an earlier meeting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from meetings import journal
from meetings.dates import lawful_hours
from meetings.lifecycle import CannotAdvance
from meetings.models import POLICIES, Meeting, Motion, ShareClass
from meetings.preparing import candidate_names, name_candidates, prepare_meeting

EDITABLE = (Meeting.State.DRAFT, Meeting.State.REGISTER_LOADED)
# What a new meeting takes over from an earlier one beside its policies.
KEPT = ("onsite_vote_start", "strong_from_percent")


class AgendaFrozen(CannotAdvance):
    message = _("议案已确认，不能再导入。")


class MotionInUse(CannotAdvance):
    """A motion would go away to which papers or recusals belong."""


@dataclass(frozen=True)
class MotionDraft:
    """A motion before it is one of a meeting; `candidates` in their order."""

    group: int
    item: int
    title: str
    kind: str = Motion.Kind.PLAIN
    threshold: str = Motion.Threshold.ORDINARY
    seats: int | None = None
    candidates: tuple[str, ...] = ()
    share_classes: tuple[str, ...] = ()
    is_for_minority_count: bool = False
    is_dividend: bool = False
    exclusive_group: str = ""
    has_dual_threshold: bool = False
    has_class_threshold: bool = False
    is_one_share_one_vote: bool = False
    proposer: str = Motion.Proposer.BOARD
    proposer_name: str = ""
    board_opinion: str = ""

    @property
    def number(self) -> str:
        return f"{self.group}.{self.item:02d}"

    @property
    def kind_label(self) -> str:
        return str(Motion.Kind(self.kind).label)

    @property
    def threshold_label(self) -> str:
        return str(Motion.Threshold(self.threshold).label)

    @property
    def proposer_label(self) -> str:
        return str(Motion.Proposer(self.proposer).label)

    def as_list(self) -> list[Any]:
        """For JSON; `from_list` reads it."""
        return [getattr(self, field.name) for field in fields(self)]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> MotionDraft:
        draft = cls(*values)
        return replace(
            draft, candidates=tuple(draft.candidates), share_classes=tuple(draft.share_classes)
        )

    def columns(self) -> dict[str, Any]:
        """The motion's own columns."""
        names = (field.name for field in fields(self) if field.name != "candidates")
        return {name: getattr(self, name) for name in names} | {
            "share_classes": list(self.share_classes)
        }


@transaction.atomic
def put_agenda(
    meeting_id: int, drafts: Sequence[MotionDraft], *, by: str, now: datetime
) -> list[Motion]:
    """Make these the motions of a meeting, whole or not at all; papers stay with their numbers.

    AgendaFrozen once the motions are confirmed; MotionInUse when one with papers or recusals
    would go away.
    """
    meeting = Meeting.objects.select_for_update().get(pk=meeting_id)
    if meeting.state not in EDITABLE:
        raise AgendaFrozen
    kept = {(draft.group, draft.item) for draft in drafts}
    for motion in meeting.motions.order_by("group", "item"):
        if (motion.group, motion.item) in kept:
            continue
        if motion.documents.exists() or motion.recusals.exists():
            words = {"number": motion.number}
            raise MotionInUse(
                _("文件中没有议案%(number)s，但它已有会议资料或回避登记：请先处理。") % words
            )
        motion.delete()
    made = []
    for draft in drafts:
        motion, _made = Motion.objects.update_or_create(
            meeting=meeting, group=draft.group, item=draft.item, defaults=draft.columns()
        )
        name_candidates(motion, draft.candidates)
        made.append(motion)
    meeting.revision += 1
    meeting.save(update_fields=["revision"])
    journal.record(meeting, "agenda.imported", by=by, at=now, motions=len(made))
    return made


def drafts_of(meeting: Meeting) -> list[MotionDraft]:
    """The motions of a meeting as drafts, in the order of its agenda."""
    names = [field.name for field in fields(MotionDraft) if field.name != "candidates"]
    return [
        MotionDraft(
            **{name: getattr(motion, name) for name in names}
            | {"share_classes": tuple(motion.share_classes)},
            candidates=tuple(candidate_names(motion)),
        )
        for motion in meeting.motions.order_by("group", "item")
    ]


@transaction.atomic
def copy_meeting(
    source_id: int,
    *,
    kind: Meeting.Kind,
    title: str,
    meeting_date: date,
    record_date: date,
    notice_date: date | None,
    is_rehearsal: bool,
    by: str,
    now: datetime,
) -> Meeting:
    """A new draft with an earlier meeting's issuer, classes, policies, motions and candidates.

    Its days are its own, its hours the lawful ones; registers, lists, papers, keys and the closing
    price stay with the earlier one.
    """
    source = Meeting.objects.select_related("issuer").get(pk=source_id)
    opening, closing = lawful_hours(meeting_date, source.prevote)
    meeting = Meeting.objects.create(
        issuer=source.issuer,
        kind=kind,
        title=title,
        meeting_date=meeting_date,
        record_date=record_date,
        notice_date=notice_date,
        polls_open_at=opening,
        polls_close_at=closing,
        is_rehearsal=is_rehearsal,
        **{name: getattr(source, name) for name in (*POLICIES, *KEPT)},
    )
    for row in source.share_classes.order_by("number"):
        ShareClass.objects.create(
            meeting=meeting,
            number=row.number,
            code=row.code,
            capital=row.capital,
            voteless_shares=row.voteless_shares,
            votes_per_share=row.votes_per_share,
        )
    prepare_meeting(meeting, by=by, now=now)
    for draft in drafts_of(source):
        motion = Motion.objects.create(meeting=meeting, **draft.columns())
        name_candidates(motion, draft.candidates)
    journal.record(meeting, "meeting.copied", by=by, at=now, source=source.pk)
    return meeting

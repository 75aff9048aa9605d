"""The agenda (议程): what a ballot paper of a meeting says, read once and never changed.

Motions are frozen when they are confirmed, so a process may keep an `Agenda` for as long as the
meeting's revision stays the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import Prefetch

from meetings import agenda_text
from meetings.models import POLICIES, Candidate, Document, Meeting, Motion, ShareClass


@dataclass(frozen=True)
class CandidatePaper:
    number: str  # "4.01"
    name: str


@dataclass(frozen=True)
class DocumentPaper:
    id: int
    title: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class MotionPaper:
    """One motion as the page, the rules and the tally see it."""

    number: str  # "4.00"
    title: str
    kind: str
    threshold: str
    share_classes: frozenset[str]  # codes of the classes entitled to vote on it
    seats: int  # 0 but for cumulative motions
    candidates: tuple[CandidatePaper, ...]
    documents: tuple[DocumentPaper, ...]
    is_for_minority_count: bool = False
    is_dividend: bool = False
    exclusive_group: str = ""  # motions of one group exclude each other
    has_dual_threshold: bool = False
    has_class_threshold: bool = False
    is_one_share_one_vote: bool = False
    proposer: str = Motion.Proposer.BOARD
    proposer_name: str = ""  # of holders only
    board_opinion: str = ""  # on a motion that is not the board's own

    @property
    def is_plain(self) -> bool:
        return self.kind == Motion.Kind.PLAIN

    @property
    def is_cumulative(self) -> bool:
        return self.kind == Motion.Kind.CUMULATIVE

    @property
    def is_heading(self) -> bool:
        return self.kind == Motion.Kind.HEADING

    @property
    def is_special(self) -> bool:
        return self.threshold == Motion.Threshold.SPECIAL

    @property
    def is_of_holders(self) -> bool:
        """Whether shareholders put it on the agenda (股东提案)."""
        return self.proposer == Motion.Proposer.HOLDERS

    @property
    def proposer_label(self) -> str:
        return str(Motion.Proposer(self.proposer).label)

    @property
    def is_contested(self) -> bool:
        """More candidates than seats (差额选举)."""
        return len(self.candidates) > self.seats

    @property
    def has_minority_count(self) -> bool:
        """Whether minority holders (中小投资者) are counted apart."""
        return self.is_for_minority_count or self.has_dual_threshold

    def multiple(self, votes_per_share: int) -> int:
        """What a share of so many votes counts for on this motion: some are one share, one vote."""
        return 1 if self.is_one_share_one_vote else votes_per_share


@dataclass(frozen=True)
class ClassPaper:
    number: int
    code: str
    capital: int  # shares
    voteless_shares: int
    votes_per_share: int

    @property
    def label(self) -> str:
        return str(ShareClass.Code(self.code).label)


@dataclass(frozen=True)
class Agenda:
    """All that is the same for every holder of a meeting."""

    meeting_id: int
    revision: int
    issuer_name: str
    issuer_short_name: str
    security_code: str
    title: str
    meeting_date: date
    record_date: date
    polls_open_at: datetime
    polls_close_at: datetime
    is_rehearsal: bool
    notice_url: str
    policies: Mapping[str, Any]  # by the names of models/policies.py
    onsite_vote_start: time
    closing_price: Decimal | None
    strong_from_percent: Decimal | None  # of a class, from which level 2 is asked for
    share_classes: tuple[ClassPaper, ...]
    motions: tuple[MotionPaper, ...]
    documents: tuple[DocumentPaper, ...]  # those of the whole meeting

    def votable(self, share_class: ClassPaper) -> tuple[MotionPaper, ...]:
        """The motions on which this class votes, in the order of the agenda; no headings."""
        return tuple(
            motion
            for motion in self.motions
            if not motion.is_heading and share_class.code in motion.share_classes
        )

    @cached_property
    def stamp(self) -> str:
        """Names what pages say of this agenda, in every process alike: what changes changes it."""
        said = (
            *(self.meeting_id, self.revision, self.fingerprint, self.issuer_short_name),
            *(str(self.polls_open_at), str(self.polls_close_at), self.notice_url),
        )
        return hashlib.sha256(repr(said).encode()).hexdigest()

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 of the agenda as agenda_text.py writes it: what a ballot was cast on."""
        return hashlib.sha256(agenda_text.written(self)).digest()


def read_agenda(meeting_id: int) -> Agenda:
    """The agenda as it stands in the database, in five queries whatever its length."""
    meeting = (
        Meeting.objects.select_related("issuer")
        .prefetch_related(
            Prefetch("share_classes", ShareClass.objects.order_by("number")),
            Prefetch("motions", Motion.objects.order_by("group", "item")),
            Prefetch("motions__candidates", Candidate.objects.order_by("item")),
            Prefetch("documents", Document.objects.defer("content").order_by("id")),
        )
        .get(pk=meeting_id)
    )
    classes = tuple(
        ClassPaper(c.number, c.code, c.capital, c.voteless_shares, c.votes_per_share)
        for c in meeting.share_classes.all()
    )
    all_codes = frozenset(c.code for c in classes)
    papers: dict[int | None, list[DocumentPaper]] = {}
    for document in meeting.documents.all():
        paper = DocumentPaper(document.pk, document.title, document.size, document.sha256)
        papers.setdefault(document.motion_id, []).append(paper)
    return Agenda(
        meeting_id=meeting.pk,
        revision=meeting.revision,
        issuer_name=meeting.issuer.name,
        issuer_short_name=meeting.issuer.short_name,
        security_code=meeting.issuer.security_code,
        title=meeting.title,
        meeting_date=meeting.meeting_date,
        record_date=meeting.record_date,
        polls_open_at=meeting.polls_open_at,
        polls_close_at=meeting.polls_close_at,
        is_rehearsal=meeting.is_rehearsal,
        notice_url=meeting.notice_url,
        policies={name: getattr(meeting, name) for name in POLICIES},
        onsite_vote_start=meeting.onsite_vote_start,
        closing_price=meeting.closing_price,
        strong_from_percent=meeting.strong_from_percent,
        share_classes=classes,
        motions=tuple(
            _motion_paper(motion, papers.get(motion.pk, ()), all_codes)
            for motion in meeting.motions.all()
        ),
        documents=tuple(papers.get(None, ())),
    )


def _motion_paper(
    motion: Motion, documents: Iterable[DocumentPaper], all_codes: frozenset[str]
) -> MotionPaper:
    """A motion with its candidates fetched; one that names no class is for all of them."""
    return MotionPaper(
        number=motion.number,
        title=motion.title,
        kind=motion.kind,
        threshold=motion.threshold,
        share_classes=frozenset(motion.share_classes) & all_codes or all_codes,
        seats=motion.seats or 0,
        candidates=tuple(
            CandidatePaper(f"{motion.group}.{candidate.item:02d}", candidate.name)
            for candidate in motion.candidates.all()
        ),
        documents=tuple(documents),
        is_for_minority_count=motion.is_for_minority_count,
        is_dividend=motion.is_dividend,
        exclusive_group=motion.exclusive_group,
        has_dual_threshold=motion.has_dual_threshold,
        has_class_threshold=motion.has_class_threshold,
        is_one_share_one_vote=motion.is_one_share_one_vote,
        proposer=motion.proposer,
        proposer_name=motion.proposer_name,
        board_opinion=motion.board_opinion,
    )

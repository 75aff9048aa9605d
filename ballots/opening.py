"""Opening the tally (启封计票): nothing is counted before the close, and then by two people.

One operator asks, another opens; that they are two is a constraint of the database
(`tally_opening_by_another`, `tally_opened_by_two`). Whoever asks for a figure before the polls are
sealed gets none, and the attempt is in the journal (rules Q1 and Q2).

A person's word is noted at once (`begin_opening`); a worker counts (`counting.py`). What it needs
to know stands in the database: nothing is handed over.

What was counted stays as it is. To correct it the meeting is taken back to its close with a reason,
files and lists are put right, and two people open a new version.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from ballots.effective import NotClosed
from ballots.log.tallies import lists_document, log_tally
from ballots.models import Tally, TallyRequest, VoteImport
from ballots.results import result_of
from ballots.tally import Tell, count_votes, tell_nobody
from meetings import journal, lifecycle
from meetings.agenda import read_agenda
from meetings.lifecycle import CannotAdvance
from meetings.models import JournalEntry, Meeting, Motion, Recusal

# How many superseded and invalid votes the stored result lists; exports list all.
LISTED = 1_000
CORRECTED = "tally.corrected"


class NotAsked(CannotAdvance):
    message = _("还没有人申请计票。")


class SamePerson(CannotAdvance):
    message = _("申请计票的人不能自己启封，须由另一位监票人启封。")


class AlreadyOpening(CannotAdvance):
    message = _("启封计票正在进行，请稍候。")


class InsidersUnknown(CannotAdvance):
    message = _("有议案须对中小投资者单独计票：请先确认董监高和一致行动人名单（可以为空）。")


@transaction.atomic
def ask_for_tally(meeting_id: int, *, by: str, now: datetime) -> TallyRequest:
    """Ask that a closed meeting be counted; somebody else must open it.

    NotClosed before the seal, InsidersUnknown while nobody has confirmed the list of insiders that
    a motion needs (P4).
    """
    meeting = Meeting.objects.select_for_update().get(pk=meeting_id)
    _check_ready(meeting)
    request, made = TallyRequest.objects.get_or_create(
        meeting=meeting, defaults={"asked_by": by, "asked_at": now}
    )
    if made:
        journal.record(meeting, "tally.asked", by=by, at=now)
    return request


class NoReason(CannotAdvance):
    message = _("请写明更正原因。")


@transaction.atomic
def correct_tally(meeting_id: int, *, reason: str, by: str, now: datetime) -> Meeting:
    """Take a counted meeting back to be counted again (更正), until its result is public.

    Files of votes and lists may then be put right; `ask_for_tally` and `open_tally` by two people
    make the new version, which says this reason. A certified result must be certified again.
    NoReason without one; CannotAdvance unless counted or certified.
    """
    reason = reason.strip()
    if not reason:
        raise NoReason
    meeting = lifecycle.advance(
        meeting_id,
        Meeting.State.CLOSED,
        since=[Meeting.State.TALLIED, Meeting.State.CERTIFIED],
        by=by,
        now=now,
    )
    TallyRequest.objects.filter(meeting=meeting).delete()
    journal.record(meeting, CORRECTED, by=by, at=now, reason=reason)
    return meeting


@transaction.atomic
def begin_opening(meeting_id: int, *, by: str, now: datetime) -> TallyRequest:
    """Note who opens the tally; a worker counts it. One person's word is taken, once.

    NotClosed, InsidersUnknown, NotAsked; SamePerson for whoever asked; AlreadyOpening after the
    first; CannotAdvance where the votes are counted.
    """
    meeting = Meeting.objects.select_for_update().get(pk=meeting_id)
    _check_ready(meeting)
    if meeting.state != Meeting.State.CLOSED:
        raise CannotAdvance
    request = TallyRequest.objects.filter(meeting=meeting).first()
    if request is None:
        raise NotAsked
    if request.opened_by:
        raise AlreadyOpening
    request.opened_by, request.opened_at = by, now
    try:
        with transaction.atomic():
            request.save(update_fields=["opened_by", "opened_at"])
    except IntegrityError as error:
        if "tally_opening_by_another" not in str(error):
            raise
        raise SamePerson from None
    journal.record(meeting, "tally.begun", by=by, at=now)
    return request


@transaction.atomic
def open_tally(meeting_id: int, *, by: str, now: datetime) -> Tally:
    """Open the tally and count it at once, as a command does.

    Refused as by `begin_opening`.
    """
    request = begin_opening(meeting_id, by=by, now=now)
    return count_opened(request, now=now)


def count_opened(request: TallyRequest, *, now: datetime, tell: Tell = tell_nobody) -> Tally:
    """Count a tally that was opened and keep the result, the next version of it.

    Within a transaction that holds the meeting's row; InsidersUnknown where a list that came since
    then is not confirmed.
    """
    meeting = Meeting.objects.get(pk=request.meeting_id)
    _check_ready(meeting)
    lifecycle.advance(
        meeting.pk,
        Meeting.State.TALLIED,
        since=[Meeting.State.CLOSED],
        by=request.opened_by,
        now=now,
    )
    last = Tally.objects.newest_of(meeting.pk)
    content = recount(meeting.pk, list_limit=LISTED, tell=tell)
    tell(TallyRequest.Stage.LOGGED)
    tally = Tally.objects.create(
        meeting=meeting,
        version=last.version + 1 if last else 1,
        reason=_reason(meeting.pk) if last else "",
        content=content,
        lists=lists_document(meeting.pk),
        asked_by=request.asked_by,
        counted_by=request.opened_by,
        counted_at=now,
    )
    log_tally(tally)
    return tally


@transaction.atomic
def recount(
    meeting_id: int, *, list_limit: int | None = None, tell: Tell = tell_nobody
) -> dict[str, Any]:
    """The result from the votes as they stand (复核计票); NotClosed before the seal."""
    agenda = read_agenda(meeting_id)
    result = result_of(agenda, count_votes(agenda, list_limit=list_limit, tell=tell))
    fields = ("channel", "file_name", "sha256", "votes", "accepted", "flagged", "reasons")
    imports = VoteImport.objects.filter(meeting_id=meeting_id).order_by("id")
    return {
        **result,
        "imports": list(imports.values(*fields)),
        "recusals": _names_of_recused(meeting_id),
    }


def visible_result(meeting: Meeting) -> Tally | None:
    """The result as the secretary may see it; None while nothing is counted, or, by a policy of the
    meeting, nothing is certified."""
    certified = (Meeting.State.CERTIFIED, Meeting.State.PUBLISHED)
    if meeting.results_visible_from == "CERTIFIED" and meeting.state not in certified:
        return None
    return Tally.objects.newest_of(meeting.pk)


def note_attempt(meeting_id: int, *, by: str, now: datetime, what: str) -> None:
    """Journal that somebody asked for figures before they may be known."""
    journal.record(meeting_id, "secrecy.attempt", by=by, at=now, what=what)


def _names_of_recused(meeting_id: int) -> dict[str, list[str]]:
    """Who had to recuse itself by motion, voted or not, under the names of the meeting's notice."""
    names: dict[str, list[str]] = {}
    recusals = Recusal.objects.filter(motion__meeting=meeting_id).select_related("motion")
    for recusal in recusals.order_by("motion__group", "motion__item", "id"):
        known = names.setdefault(recusal.motion.number, [])
        if recusal.name not in known:  # one holder, several accounts
            known.append(recusal.name)
    return names


def _reason(meeting_id: int) -> str:
    """Why the meeting was last taken back, as the journal keeps it."""
    taken_back = JournalEntry.objects.filter(meeting=meeting_id, verb=CORRECTED).latest("id")
    return str(taken_back.details["reason"])


def _check_ready(meeting: Meeting) -> None:
    if meeting.polls_sealed_at is None:
        raise NotClosed
    counts_minority = Motion.objects.filter(meeting=meeting).filter(
        is_for_minority_count=True
    ) | Motion.objects.filter(meeting=meeting, has_dual_threshold=True)
    if counts_minority.exists() and not meeting.insiders_confirmed_by:
        raise InsidersUnknown

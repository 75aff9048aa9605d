"""The meetings of the drills and their holders: synthetic, let in by the real doors."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.db.models import F
from django.utils import timezone

from ballots.lines import candidate_field, motion_field
from drills.phones import Person
from identity.links import personal_url
from meetings import lifecycle
from meetings.agenda import Agenda, read_agenda
from meetings.models import Holder, Meeting
from meetings.register.records import open_person
from voting_portal.demo import data
from voting_portal.gateways.simulator.carrier import is_reachable

OPINIONS = ("FOR", "AGAINST", "ABSTAIN")


def make_meeting(
    *, holders: int, directory: Path, opens_in: timedelta | None = None, lasts: timedelta
) -> Meeting:
    """A rehearsal with the demo's eight motions, its register loaded, its links open."""
    issuer = data.make_issuer()
    people = data.make_people(issuer)
    meeting = data.make_meeting(issuer, people)
    now = timezone.now()
    meeting.polls_open_at = now + (opens_in or timedelta(0))
    meeting.polls_close_at = meeting.polls_open_at + lasts
    meeting.save(update_fields=["polls_open_at", "polls_close_at"])
    data.load_holders(meeting, people, holders=holders, directory=directory)
    lifecycle.confirm_motions(meeting.pk, by=people.operator.actor, now=now)
    return lifecycle.invite(meeting.pk, by=people.checker.actor, now=now)


def move_polls(meeting: Meeting, *, open_at: timedelta, close_at: timedelta) -> None:
    """Set the hours of a meeting, counted from now, as a drill needs them."""
    now = timezone.now()
    Meeting.objects.filter(pk=meeting.pk).update(
        polls_open_at=now + open_at, polls_close_at=now + close_at, revision=F("revision") + 1
    )
    meeting.refresh_from_db()


def voters_of(meeting: Meeting) -> list[Person]:
    """Every individual with shares and a phone of their own that can be reached."""
    agenda = read_agenda(meeting.pk)
    holders = list(
        Holder.objects.of_meeting(meeting.pk)
        .filter(kind=Holder.Kind.INDIVIDUAL)
        .exclude(phone_masked="")
        .order_by("id")
    )
    phones = [open_person(holder).phone for holder in holders]
    times = Counter(phones)
    return [
        _person(holder, phone, agenda)
        for holder, phone in zip(holders, phones, strict=True)
        if times[phone] == 1 and is_reachable(phone) and holder.shares_of(0)
    ]


def _person(holder: Holder, phone: str, agenda: Agenda) -> Person:
    """What this holder votes follows from the id: every opinion and candidate gets its part."""
    fields: dict[str, str] = {}
    choices: dict[str, object] = {}
    shares = holder.shares_of(0)
    for place, motion in enumerate(agenda.motions):
        if motion.is_cumulative:
            chosen = motion.candidates[holder.pk % len(motion.candidates)]
            for candidate in motion.candidates:
                given = str(shares) if candidate == chosen else ""
                fields[candidate_field(candidate.number)] = given
            choices[motion.number] = {chosen.number: shares}
        else:
            opinion = OPINIONS[(holder.pk // 3**place) % 3]
            fields[motion_field(motion.number)] = choices[motion.number] = opinion
    path = urlsplit(personal_url(holder.pk, holder.link_generation)).path
    return Person(holder.pk, agenda.meeting_id, phone, path, shares, fields, choices)


class Crowd:
    """Persons who have not come yet, handed out one by one to whatever thread asks."""

    def __init__(self, people: list[Person]) -> None:
        self._waiting: Iterator[Person] = iter(people)
        self._lock = threading.Lock()

    def next(self) -> Person | None:
        with self._lock:
            return next(self._waiting, None)

    def take(self, number: int) -> list[Person]:
        with self._lock:
            return list(itertools.islice(self._waiting, number))

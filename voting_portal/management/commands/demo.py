"""`./manage.py demo`: a whole shareholder meeting on this machine, for `make demo`."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identity.staff import issue_pass
from meetings.models import Meeting
from notifications.tasks import ring
from voting_portal import embedded
from voting_portal.demo import data
from voting_portal.demo.processes import CannotStart, Processes

PASS_LIFETIME = timedelta(hours=12)


class Command(BaseCommand):
    help = "Make a synthetic meeting, serve it, and print where to click."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--holders", type=int, default=100_000)

    def handle(self, *, holders: int, **_options: Any) -> None:
        if settings.IS_PRODUCTION:
            raise CommandError("The demo is for development.")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            started = embedded.start_what_is_missing()
        except embedded.CannotStart as refusal:
            raise CommandError(str(refusal)) from None
        try:
            self._play(holders)
        except KeyboardInterrupt:
            self.stdout.write("")
        finally:
            if started:
                embedded.stop()
            self.stdout.write("Stopped everything that the demo had started.")

    def _play(self, holders: int) -> None:
        watch = data.Stopwatch(self._say)
        call_command("migrate", verbosity=0)
        issuer = data.make_issuer()
        people = data.make_people(issuer)
        watch.lap("Database ready")
        meeting = data.meeting_to_play(issuer)
        if meeting is None:
            meeting = data.make_meeting(issuer, people)
            register = data.load_holders(
                meeting,
                people,
                holders=holders,
                directory=settings.BASE_DIR / ".data" / "demo",
                progress=self._progress,
            )
            watch.lap(f"Register of {register.holders:,} holders checked, sealed and loaded")
            data.invite_holders(meeting, people)
            watch.lap("Notice campaign planned; it is being sent while you read this")
        try:
            with Processes(settings.BASE_DIR / ".data" / "logs") as processes:
                ring.delay()  # the timer would do it, a little later
                watch.lap("Web server, worker and gateway simulator started")
                self._say_where(meeting, people)
                ended = processes.watch()
                raise CommandError(f"The {ended} ended; see .data/logs/{ended}.log.")
        except CannotStart as refusal:
            raise CommandError(str(refusal)) from None

    def _say_where(self, meeting: Meeting, people: data.People) -> None:
        now = timezone.now()
        holder, recused = data.players(meeting)
        phones = [data.phone_of(somebody) for somebody in (holder, recused)]
        passes = {
            user: issue_pass(user, lifetime=PASS_LIFETIME, now=now)
            for user in (people.operator, people.checker, people.secretary)
        }
        handset = f"{settings.SIMULATOR_URL}/?to="
        rows = [
            ("A shareholder's phone", handset + phones[0]),
            ("A recused shareholder's", handset + phones[1]),
            ("Everybody's messages", settings.SIMULATOR_URL),
            ("Exchange staff", passes[people.operator]),
            ("The second person", passes[people.checker]),
            ("The company's secretary", passes[people.secretary]),
        ]
        line = "-" * 100
        self._say(f"\n{meeting}\n{line}")
        for who, where in rows:
            self._say(f"{who:<26}{where}")
        self._say(
            f"{line}\nSign-in links work once. Ctrl-C stops everything.\n"
            f"Staff: http://127.0.0.1:{settings.PORT}/admin/meetings/meeting/{meeting.pk}/change/ "
            "has 提前截止 (close now); 申请计票 and, by another operator, 启封计票 (tally)."
        )

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()  # at once even where the output goes into a pipe

    def _progress(self, part: float) -> None:
        if not self.stderr.isatty():
            return
        bar = "#" * int(30 * part)
        ending = "\n" if part >= 1 else ""
        self.stderr.write(f"\rLoading the register [{bar:<30}] {part:4.0%}", ending=ending)

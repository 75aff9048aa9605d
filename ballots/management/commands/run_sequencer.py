"""`./manage.py run_sequencer`: the process that extends the ballot logs."""

from __future__ import annotations

import logging
import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from django.db import Error, connection

from ballots.log import sequencer, starting
from voting_portal.common.logs import process

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5  # between two looks at an empty queue
RETRY_SECONDS = 1.0  # after the database failed
ALARM_SECONDS = 10.0  # between two looks at the oldest promise
START_SECONDS = 5.0  # between two looks for logs to start


class Command(BaseCommand):
    help = "Log what waits for the ballot logs and sign it, until stopped. Extra ones stand by."
    is_new = True  # to the database, or the database to it

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="log what waits now and end")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["once"]:
            sequencer.look_back()
            starting.start_due()
            while sequencer.sequence():
                pass
            return
        self.over = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self.over.set())
        # Reading a register of millions takes a while, for which other meetings' logs do not wait.
        starter = threading.Thread(target=self._repeat, args=(self._start, START_SECONDS))
        starter.start()
        process.info("Sequencing the ballot logs.")
        self.looked_at = time.monotonic()
        self._repeat(self._sequence, PAUSE_SECONDS)
        starter.join()

    def _repeat(self, act: Any, pause: float) -> None:
        """Act until stopped; without pause as long as there is something to do.

        What nobody foresaw ends the process, so that it is started again: one that lives and does
        nothing would not be.
        """
        try:
            while not self.over.is_set():
                try:
                    is_busy = act()
                except (Error, psycopg.Error):  # of a COPY Django passes on the driver's own
                    log.exception("the database failed; the sequencer tries again")
                    self.is_new = True
                    connection.close()
                    self.over.wait(RETRY_SECONDS)
                else:
                    if not is_busy:
                        self.over.wait(pause)
        finally:
            self.over.set()
            connection.close()

    def _sequence(self) -> bool:
        if self.is_new:
            sequencer.look_back()
            self.is_new = False
        taken = sequencer.sequence()
        if time.monotonic() - self.looked_at > ALARM_SECONDS:
            self.looked_at = time.monotonic()
            sequencer.warn_when_behind()
            sequencer.warn_of_standing()
        return taken == sequencer.BATCH

    def _start(self) -> bool:
        starting.start_due()
        return False

"""The process of a gateway that lives on sockets: it holds the links and feeds them with batches.

Threads claim batches of their gateway from PostgreSQL and send them as Celery's workers do; there
is no bell, since one process serves one gateway and looks every second. What the carrier reports
over the links is kept before it is answered.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence

from django.db import DatabaseError, close_old_connections, connection

from notifications import claims, dispatching, receipts
from notifications.dispatching import Clock
from voting_portal import gateways
from voting_portal.common import locks
from voting_portal.gateways.accounts import Account
from voting_portal.gateways.intake import Intake
from voting_portal.gateways.protocol import ReceiptLine, Reply
from voting_portal.gateways.sockets import SocketGateway

LOOK_SECONDS = 1.0  # between two looks for batches, when there was none
LAST_BATCHES_SECONDS = 30.0  # for threads to hand back what they hold

logger = logging.getLogger(__name__)


class CannotFeed(Exception):
    """There is no such process to run; the message says why."""


@contextlib.contextmanager
def running(name: str, *, clock: Clock, threads: int) -> Iterator[Account]:
    """Hold the links of a gateway and feed them as long as the block lasts.

    At the end nothing more leaves, the answers that are due are waited for, and what was not sent
    waits for the next process. Raises CannotFeed where this gateway has no links or another process
    holds them, NoSuchGateway, and OSError when a port to listen at is taken.
    """
    gateway = gateways.gateway(name)
    if not isinstance(gateway, SocketGateway):
        raise CannotFeed(f"{name} is reached over HTTP; Celery's workers serve it.")

    def keep(lines: Sequence[ReceiptLine | Reply]) -> None:
        if not lines:
            connection.close()
            return
        close_old_connections()
        receipts.take_lines(name, lines, now=clock())

    with contextlib.ExitStack() as stack:
        if not stack.enter_context(locks.held_by_the_process(locks.GATEWAY, name)):
            raise CannotFeed(f"Another process holds the links of {name}.")
        account = gateway.open(keep=keep)
        feeder = _Feeder(name, clock=clock, threads=threads)
        stack.callback(feeder.join)
        stack.callback(account.close)
        stack.callback(feeder.stop)
        if gateway.intake is not None:
            intake = Intake(account, gateway.intake)
            intake.start()
            stack.callback(intake.stop)
        feeder.start()
        yield account


class _Feeder:
    """Threads that send batches of one gateway until they are told to stop."""

    def __init__(self, name: str, *, clock: Clock, threads: int) -> None:
        self._name = name
        self._clock = clock
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._feed, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(LAST_BATCHES_SECONDS)

    def _feed(self) -> None:
        last = None
        while not self._stopping.is_set():
            batch = None
            with self._trouble_logged():
                batch = claims.next_of_gateway(self._name, now=self._clock())
            if batch is None or batch == last:
                # Nothing waits, or something keeps it from leaving, as Redis being away.
                last = None
                self._stopping.wait(LOOK_SECONDS)
                continue
            last = batch
            with self._trouble_logged():
                dispatching.send_batch(batch, clock=self._clock)
        connection.close()

    @contextlib.contextmanager
    def _trouble_logged(self) -> Iterator[None]:
        """A database that is away does not end the thread; a claim comes back by its lease."""
        close_old_connections()
        try:
            yield
        except DatabaseError as error:
            logger.warning("%s waits: %s", self._name, type(error).__name__)

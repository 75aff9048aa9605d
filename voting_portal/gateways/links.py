"""One connection of a socket dialect, from its login to its end.

A link keeps up to a window of submits unanswered. An answer that does not come in time ends the
link: what was asked on it is unknown, and nothing is ever asked twice.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from django.utils import timezone

from voting_portal.gateways.dialect import LoginRefused, Request, Verdict
from voting_portal.gateways.parcels import Segment
from voting_portal.gateways.protocol import Outcome
from voting_portal.gateways.wire import GARBAGE, IS_ANSWER, Malformed, Pdu, Stream

if TYPE_CHECKING:
    from voting_portal.gateways.accounts import Account

LOGIN_SECONDS = 10.0
GOODBYE_SECONDS = 2.0
GENERIC_NACK = IS_ANSWER  # SMPP: an answer to anything
NO_ANSWER = "no answer"
# How a link ended -> what is said of the messages on it; of any other end, that it broke.
_ENDS = {NO_ANSWER: NO_ANSWER, GARBAGE: "unreadable answer"}


class _Asked(NamedTuple):
    """A request of ours that waits for its answer."""

    request: Request
    at: float
    segment: Segment | None


class Ear(Stream):
    """Hears what a carrier tells us, and answers when it has been kept."""

    def __init__(self, account: Account) -> None:
        super().__init__(account.dialect.header)
        self.account = account
        self.is_ready = False

    def hear(self, pdu: Pdu) -> None:
        heard = self.account.dialect.hear(pdu)
        if heard.is_login:
            self.is_ready = True
        elif not (self.is_ready or heard.is_end):
            raise Malformed("a request before the login")
        answer = heard.answer and Pdu(
            heard.answer.command, pdu.sequence, heard.answer.body, heard.status
        )
        if heard.lines and answer:
            self.account.keep(self, answer, heard.lines)
        elif answer:
            self.write(answer)
        if heard.is_end:
            self.is_ready = False
            self.hang_up("the carrier said good-bye", politely=True)

    def received(self, pdu: Pdu) -> None:
        self.hear(pdu)


class Inbound(Ear):
    """A connection that the carrier made to us, for reports (SGIP)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.account.inbound.add(self)
        asyncio.get_running_loop().call_later(LOGIN_SECONDS, self._require_login)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.account.inbound.discard(self)

    def _require_login(self) -> None:
        if not self.is_ready:
            self.hang_up("no login")


class Link(Ear):
    """A connection that we made."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._dialect = account.dialect
        self._sequences = account.dialect.sequences()
        self._asked: dict[int | bytes, _Asked] = {}  # oldest first
        self._flying = 0
        self.is_over = False  # ended by us, in good order
        self._last_heard = self._last_submit = time.monotonic()

    @property
    def has_room(self) -> bool:
        return self.is_ready and self._flying < self._dialect.window

    @property
    def is_waiting(self) -> bool:
        """Whether the answer to a submit is still to come."""
        return self._flying > 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._ask(self._dialect.login(timezone.localtime()))
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.is_ready = False
        asked, self._asked, self._flying = self._asked, {}, 0
        reason = _ENDS.get(self.end.partition(":")[0], "the link broke")
        for sequence, unanswered in asked.items():
            if unanswered.segment:
                ref = self._dialect.ref_without_answer(sequence)
                self.account.settle(unanswered.segment, Verdict(Outcome.UNKNOWN, ref, reason))
        if not self.opened.done():
            self.opened.set_exception(ConnectionResetError(self.end))
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._last_heard = time.monotonic()
        super().data_received(data)
        self.account.pump()

    def received(self, pdu: Pdu) -> None:
        if not pdu.command & IS_ANSWER:
            self.hear(pdu)
            return
        asked = self._asked.pop(pdu.sequence, None)
        if asked is None:
            return  # an answer that came twice
        if pdu.command not in (asked.request.command | IS_ANSWER, GENERIC_NACK):
            self._asked[pdu.sequence] = asked
            raise Malformed(f"{pdu.command:#x} as the answer to {asked.request.command:#x}")
        if asked.segment:
            self._answered(asked, asked.segment, pdu)
        elif not self.opened.done():
            self._logged_in(asked, pdu)

    def submit(self, segment: Segment) -> None:
        """Send one segment; its verdict goes to the account."""
        segment.parcel.fly(segment)
        self._flying += 1
        self._last_submit = time.monotonic()
        self._ask(segment.request, segment)

    async def say_goodbye(self) -> None:
        """Log out, wait a moment for the answer, and hang up."""
        self.is_over = True
        if self.is_ready:
            self.is_ready = False
            self._ask(self._dialect.farewell())
            deadline = time.monotonic() + GOODBYE_SECONDS
            while self._asked and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
        self.hang_up("we said good-bye", politely=True)

    def _ask(self, request: Request, segment: Segment | None = None) -> None:
        sequence = next(self._sequences)
        self._asked[sequence] = _Asked(request, time.monotonic(), segment)
        self.write(Pdu(request.command, sequence, request.body))

    def _answered(self, asked: _Asked, segment: Segment, answer: Pdu) -> None:
        try:
            verdict = self._dialect.verdict(answer)
        except Malformed:
            self._asked[answer.sequence] = asked  # unknown, with all the others
            raise
        self._flying -= 1
        self.account.settle(segment, verdict)

    def _logged_in(self, asked: _Asked, answer: Pdu) -> None:
        try:
            self._dialect.check_login(asked.request, answer)
        except LoginRefused as refusal:
            self.opened.set_exception(refusal)
            self.hang_up("the login was refused")
        else:
            self.is_ready = True
            self.opened.set_result(None)

    def _watch(self) -> None:
        """Look from time to time whether an answer is overdue, or the line has been silent."""
        if not self.is_open:
            return
        now, dialect = time.monotonic(), self._dialect
        silent = now - max(self._last_heard, self._last_submit)
        if self._asked:
            patience = dialect.answer_seconds if self.is_ready else LOGIN_SECONDS
            if now - next(iter(self._asked.values())).at > patience:
                self.hang_up(NO_ANSWER)
                return
        elif self.is_ready and silent > dialect.probe_seconds:
            if probe := dialect.probe():
                self._ask(probe)
            else:
                self.account.let_go(self)
        pause = min(1.0, dialect.answer_seconds / 4, dialect.probe_seconds / 4)
        asyncio.get_running_loop().call_later(pause, self._watch)

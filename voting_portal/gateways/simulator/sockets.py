"""The simulated carrier over sockets: sessions, handsets that join long messages, reports."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from voting_portal.gateways.dialect import Request, written
from voting_portal.gateways.simulator.carrier import GARBAGE, PHONE, Carrier, is_reachable
from voting_portal.gateways.simulator.dialects import (
    CARRIERS,
    UCS2,
    CarrierDialect,
    SgipCarrier,
    Submitted,
    Told,
)
from voting_portal.gateways.wire import IS_ANSWER, Malformed, Pdu, Stream


class SocketCarrier:
    """Listens on the loopback interface in a thread of its own; port 0 takes a free one.

    Inbox and faults are those of the HTTP carrier, so that they are asked for in one place.
    """

    def __init__(self, name: str, options: Mapping[str, Any], carrier: Carrier, port: int) -> None:
        self.dialect: CarrierDialect = CARRIERS[name](options)
        self.carrier = carrier
        self.sessions: list[Session] = []
        self.port = port
        self._parts: dict[tuple[str, int, int], dict[int, str]] = {}
        self._arrived: list[tuple[str, str, str]] = []
        self._unanswered: list[Callable[[], None]] = []
        self._to_report: list[Request] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def open(self) -> None:
        """Begin to listen; OSError when the port is taken."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hang_up(self) -> None:
        """Cut every session, as a carrier's maintenance does."""
        for session in list(self.sessions):
            self._loop.call_soon_threadsafe(session.hang_up)

    def write_back(self, phone: str, words: str) -> None:
        """Somebody answers a message, as with 退订."""
        request = self.dialect.reply(phone, words)
        self._loop.call_soon_threadsafe(self._tell, [request])

    # What follows runs in the loop's thread.

    def take(self, submitted: Submitted, ref: bytes, *, answer: Callable[[], None]) -> None:
        """A short message for a phone; its report follows.

        It is answered once the handset has it: a carrier that is killed has lost nothing that it
        took.
        """
        is_delivered = is_reachable(submitted.phone)
        if is_delivered and self._put(submitted, ref):
            self._unanswered.append(answer)
        else:
            answer()
        faults = self.carrier.faults
        if faults.no_receipts:
            return
        told = Told(ref, submitted.phone, is_delivered, timezone.localtime())
        if not self._to_report:
            self._loop.call_later(faults.receipt_delay, self._report)
        self._to_report.append(self.dialect.report(told))

    def _put(self, submitted: Submitted, ref: bytes) -> bool:
        """Show it on the handset, a long one when its last part is there; whether it is."""
        text = written(submitted.content, UCS2, has_header=submitted.has_header)
        if submitted.has_header:
            _length, _kind, _size, reference, total, number = submitted.content[:6]
            parts = self._parts.setdefault((submitted.phone, reference, total), {})
            parts[number] = text
            if len(parts) < total:
                return False
            text = "".join(parts[n] for n in sorted(parts))
            del self._parts[submitted.phone, reference, total]
        if not self._arrived:  # with all others that are read in this turn of the loop
            self._loop.call_soon(self._show)
        self._arrived.append((ref.hex(), submitted.phone, text))
        return True

    def _show(self) -> None:
        arrived, self._arrived = self._arrived, []
        unanswered, self._unanswered = self._unanswered, []
        if arrived:
            self.carrier.inbox.receive(arrived, now=timezone.now())
        for answer in unanswered:
            answer()

    def _report(self) -> None:
        reports, self._to_report = self._to_report, []
        faults = self.carrier.faults
        if faults.reordered_receipts:
            reports.reverse()
        self._tell(reports * 2 if faults.duplicate_receipts else reports)

    def _tell(self, requests: list[Request]) -> None:
        if isinstance(self.dialect, SgipCarrier):
            call = self._loop.create_task(self._call(requests))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            return
        ready = [session for session in self.sessions if session.is_known]
        for at, request in enumerate(requests):
            if ready:
                ready[at % len(ready)].ask(request)

    async def _call(self, requests: list[Request]) -> None:
        """Connect to the portal, log in, tell, and hang up when all is answered."""
        assert isinstance(self.dialect, SgipCarrier)
        host, _, port = self.dialect.reports_to.rpartition(":")
        try:
            _transport, session = await self._loop.create_connection(
                lambda: Session(self), host, int(port)
            )
        except OSError:
            return  # the portal's process has ended meanwhile
        for request in [self.dialect.call(), *requests]:
            session.ask(request)
        while session.unanswered and session.is_open:
            await asyncio.sleep(0.01)
        session.hang_up(politely=True)

    async def _open(self) -> None:
        self._server = await self._loop.create_server(lambda: Session(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        # What is just being accepted becomes a session first: a closed server would drop it open.
        while accepted := asyncio.all_tasks() - self._calls - {asyncio.current_task()}:
            await asyncio.gather(*accepted, return_exceptions=True)
        self._server.close()
        for session in list(self.sessions):
            session.hang_up()
        self._show()
        await asyncio.sleep(0)


def carriers_of(
    gateways: Mapping[str, Mapping[str, Any]], carrier: Carrier
) -> Iterator[tuple[str, SocketCarrier]]:
    """A carrier, by its gateway's name, for each socket gateway that leads to this machine."""
    for name, options in gateways.items():
        url = urlsplit(options["url"])
        if options["dialect"] in CARRIERS and url.hostname == "127.0.0.1":
            yield name, SocketCarrier(options["dialect"], options, carrier, url.port or 0)


class Session(Stream):
    """One connection with the portal."""

    def __init__(self, server: SocketCarrier) -> None:
        super().__init__(server.dialect.header)
        self._server = server
        self._dialect = server.dialect
        self._sequences = server.dialect.sequences()
        self.is_known = False
        self.unanswered = 0
        self._trickling: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.sessions.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._server.sessions.remove(self)

    def ask(self, request: Request) -> None:
        self.unanswered += 1
        self.write(Pdu(request.command, next(self._sequences), request.body))

    def write(self, pdu: Pdu) -> None:
        """Write it at once, or in halves, as slowly as was asked for, behind what trickles."""
        if not (self._server.carrier.faults.slow or self._trickling):
            super().write(pdu)
            return
        octets = self._dialect.header.pack(pdu)
        half = len(octets) // 2
        self._trickling += (octets[:half], octets[half:])
        if len(self._trickling) == 2:
            self._trickle()

    def _trickle(self) -> None:
        if self._trickling:
            self._write_octets(self._trickling[0])
            pause = self._server.carrier.faults.slow / 2
            asyncio.get_running_loop().call_later(pause, self._trickle_on)

    def _trickle_on(self) -> None:
        self._trickling.popleft()
        self._trickle()

    def received(self, pdu: Pdu) -> None:
        if pdu.command & IS_ANSWER:
            self.unanswered -= 1
        elif pdu.command == self._dialect.login:
            answer, self.is_known = self._dialect.answer_login(pdu)
            self.write(answer)
        elif not self.is_known:
            raise Malformed("no login")
        elif pdu.command == self._dialect.submit:
            self._submitted(pdu)
        elif pdu.command == self._dialect.farewell:
            self.write(Pdu(pdu.command | IS_ANSWER, pdu.sequence))
            self.hang_up(politely=True)
        elif pdu.command == self._dialect.probe:
            self.write(Pdu(pdu.command | IS_ANSWER, pdu.sequence))
        else:
            raise Malformed(f"command {pdu.command:#x}")

    def _submitted(self, pdu: Pdu) -> None:
        faults = self._server.carrier.faults
        if faults.delay:
            asyncio.get_running_loop().call_later(faults.delay, self._answer, pdu)
        else:
            self._answer(pdu)

    def _answer(self, pdu: Pdu) -> None:
        carrier, dialect = self._server.carrier, self._dialect
        submitted = dialect.read_submit(pdu)
        nothing = b""
        if carrier.faults.error:
            self.write(dialect.answer_submit(pdu, ref=nothing, code=carrier.faults.error))
        elif carrier.is_throttling():
            self.write(dialect.answer_submit(pdu, ref=nothing, code=dialect.throttled))
        elif not PHONE.fullmatch(submitted.phone):
            self.write(dialect.answer_submit(pdu, ref=nothing, code=dialect.bad_number))
        else:
            ref = pdu.sequence if isinstance(pdu.sequence, bytes) else dialect.new_ref()
            self._server.take(submitted, ref, answer=lambda: self._taken(pdu, ref))

    def _taken(self, pdu: Pdu, ref: bytes) -> None:
        faults = self._server.carrier.faults
        if faults.garbage:
            self._write_octets(GARBAGE)
        elif faults.drop:
            self.hang_up()
        else:
            self.write(self._dialect.answer_submit(pdu, ref=ref))

    def _write_octets(self, octets: bytes) -> None:
        if self._transport is not None:
            self._transport.write(octets)

"""One account with a carrier in this process: its links, and the queue that they share.

The links live in an event loop of their own thread. Other threads hand messages over with `send`
and wait for the answers; what must go now, like a one-time code, overtakes what waits.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from voting_portal.gateways.dialect import Dialect, LoginRefused, Verdict
from voting_portal.gateways.links import LOGIN_SECONDS, Ear, Inbound, Link
from voting_portal.gateways.parcels import STOPPING, THROTTLE_SECONDS, Batch, Segment
from voting_portal.gateways.protocol import Message, Outcome, ReceiptLine, Reply, Result
from voting_portal.gateways.wire import Pdu

PATIENCE_SECONDS = 30.0  # for a place in a window; what was not sent by then is given back
CONNECT_SECONDS = 5.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # between two attempts to connect, seconds
STEADY_SECONDS = 10.0  # a link that lasted so long was a good one
ANSWERS_SECONDS = 10.0  # for the last answers before a good-bye
BURST_SECONDS = 0.02  # what may be caught up at once when the loop was late
MOST_HEARD = 5_000  # reports in memory; a carrier that sends more without an answer is cut off

logger = logging.getLogger(__name__)


Keep = Callable[[Sequence[ReceiptLine | Reply]], None]


class Account:
    """Connects when it is opened and again whenever a link ends, until it is closed.

    `keep` is called with receipts and replies, in a thread, and the carrier is answered when it
    has returned; when it raises, it is called again with the same. When the account is closed it
    is called once with nothing, to let go of what that thread holds.
    """

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        *,
        url: str,
        rate: float,
        links: int = 1,
        listen: str = "",
        keep: Keep,
    ) -> None:
        self.name = name
        self.dialect = dialect
        self.inbound: set[Inbound] = set()
        self._url = urlsplit(url)
        self._listen = listen
        self._rate = rate
        self._keep = keep
        self._links: list[Link | None] = [None] * links
        self._urgent: deque[Segment] = deque()
        self._queue: deque[Segment] = deque()
        self._free_at = 0.0  # when the next segment may leave
        self._alarm: asyncio.TimerHandle | None = None
        self._trouble: Verdict | None = None  # why nothing can be sent now
        self._heard: list[tuple[Ear, Pdu, Sequence[ReceiptLine | Reply]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self._keeper = concurrent.futures.ThreadPoolExecutor(1, f"{name}-receipts")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    @property
    def listens_at(self) -> int:
        """The port at which the carrier finds us."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def ready_links(self) -> int:
        return sum(link is not None and link.is_ready for link in self._links)

    def open(self) -> None:
        """Start connecting; OSError when the carrier could not find us at `listen`."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    def close(self) -> None:
        """Send nothing more, wait for the answers that are due, log out."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._keeper.submit(self._keep, []).result()
        self._keeper.shutdown()

    def send(
        self,
        messages: Sequence[Message],
        *,
        is_urgent: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> list[Result]:
        """Send through whichever link has room; one result each, in their order.

        Returns after `patience` and the time that the carrier has for its answers, both in seconds.
        """
        batch = Batch(self.dialect, messages)
        try:
            self._loop.call_soon_threadsafe(self._take, batch, is_urgent, patience)
        except RuntimeError:  # the loop has ended
            return [Result(m.ref, STOPPING.outcome, reason=STOPPING.reason) for m in messages]
        batch.all_done.wait(patience + self.dialect.answer_seconds + ANSWERS_SECONDS)
        return batch.results()

    # What follows runs in the loop's thread.

    def pump(self) -> None:
        """Fill every window from the queue, as fast as the carrier has agreed to."""
        for link in self._links:
            while link is not None and link.has_room and (segment := self._next()):
                link.submit(segment)

    def settle(self, segment: Segment, verdict: Verdict) -> None:
        """The answer to a segment, or that there is none."""
        if verdict.outcome is Outcome.THROTTLED:
            self._free_at = max(self._free_at, self._loop.time() + THROTTLE_SECONDS)
        if segment.parcel.settle(segment, verdict):
            self._urgent.appendleft(segment)

    def keep(self, ear: Ear, answer: Pdu, lines: Sequence[ReceiptLine | Reply]) -> None:
        """Keep what the carrier told us, then answer it."""
        self._heard.append((ear, answer, lines))
        if len(self._heard) > MOST_HEARD:
            ear.hang_up("more reports than can be kept")
        self._something_heard.set()

    def let_go(self, link: Link) -> None:
        """End a link that idles; the next message opens it again."""
        self._wanted.clear()
        self._tasks.append(self._loop.create_task(link.say_goodbye()))

    def _take(self, batch: Batch, is_urgent: bool, patience: float) -> None:
        self._wanted.set()
        if self._trouble:
            batch.withdraw(self._trouble)
            return
        waiting = self._urgent if is_urgent else self._queue
        waiting.extend(segment for parcel in batch.parcels for segment in parcel.segments)
        self._loop.call_later(patience, self._give_up, batch)
        self.pump()

    def _give_up(self, batch: Batch) -> None:
        if self.ready_links:
            batch.withdraw(Verdict(Outcome.THROTTLED, reason="no turn"))
        else:
            batch.withdraw(Verdict(Outcome.NOT_SENT, reason="no link"))

    def _next(self) -> Segment | None:
        """The next segment that may leave now; if none may yet, `pump` is called again in time."""
        while waiting := self._urgent or self._queue:
            if waiting[0].verdict:  # withdrawn meanwhile
                waiting.popleft()
                continue
            now = self._loop.time()
            if self._free_at > now:
                if self._alarm is None:
                    self._alarm = self._loop.call_at(self._free_at, self._ring)
                return None
            self._free_at = max(self._free_at, now - BURST_SECONDS) + 1 / self._rate
            return waiting.popleft()
        return None

    def _ring(self) -> None:
        self._alarm = None
        self.pump()

    def _withdraw_all(self, verdict: Verdict) -> None:
        for waiting in (self._urgent, self._queue):
            while waiting:
                waiting.popleft().parcel.withdraw(verdict)

    async def _open(self) -> None:
        self._wanted = asyncio.Event()
        self._something_heard = asyncio.Event()
        if self._listen:
            host, _, port = self._listen.rpartition(":")
            self._server = await self._loop.create_server(lambda: Inbound(self), host, int(port))
        self._tasks = [self._loop.create_task(self._keep_heard())]
        for number in range(len(self._links)):
            self._tasks.append(self._loop.create_task(self._keep_link(number)))

    async def _close(self) -> None:
        self._trouble = STOPPING
        self._withdraw_all(STOPPING)
        links = [link for link in self._links if link is not None]
        deadline = self._loop.time() + ANSWERS_SECONDS
        while (
            any(link.is_waiting for link in links) or self._heard
        ) and self._loop.time() < deadline:
            await asyncio.sleep(0.02)
        for task in self._tasks:
            task.cancel()
        # What is just being accepted becomes an ear first: a closed server would drop it open.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*others, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for ear in list(self.inbound):
            ear.hang_up("stopping", politely=True)
        await asyncio.gather(*(link.say_goodbye() for link in links))

    async def _keep_link(self, number: int) -> None:
        """Have this link open for ever, with pauses that grow while it cannot be."""
        pause = SHORTEST_PAUSE
        while True:
            if not self.dialect.keeps_open:
                await self._wanted.wait()
            began = self._loop.time()
            try:
                link = await self._connect(number)
            except LoginRefused as refusal:
                logger.error("%s: the carrier refuses the login: %s", self.name, refusal)
                self._is_down(Verdict(Outcome.MISCONFIGURED, reason=str(refusal)))
            except (OSError, TimeoutError) as error:
                logger.warning("%s: no link: %s", self.name, type(error).__name__)
                self._is_down(Verdict(Outcome.NOT_SENT, reason=type(error).__name__))
            else:
                logger.info("%s: link %s is up", self.name, number)
                if self._trouble is not STOPPING:
                    self._trouble = None
                self.pump()
                await asyncio.shield(link.closed)
                self._links[number] = None
                level = logging.INFO if link.is_over else logging.WARNING
                logger.log(level, "%s: link %s ended: %s", self.name, number, link.end)
            if self._loop.time() - began > STEADY_SECONDS:
                pause = SHORTEST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _connect(self, number: int) -> Link:
        """A link that is logged in; LoginRefused, OSError or TimeoutError."""
        encryption: Any = ssl.create_default_context() if self._url.scheme == "tls" else None
        async with asyncio.timeout(CONNECT_SECONDS):
            _transport, link = await self._loop.create_connection(
                lambda: Link(self), self._url.hostname or "", self._url.port or 0, ssl=encryption
            )
        self._links[number] = link
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                await link.opened
        except BaseException:
            self._links[number] = None
            link.hang_up("no login")
            raise
        return link

    def _is_down(self, verdict: Verdict) -> None:
        """Nothing can be sent while no link is up; whoever waits is told so."""
        if not self.ready_links:
            self._trouble = verdict
            self._withdraw_all(verdict)

    async def _keep_heard(self) -> None:
        """Hand receipts on, all that came while the last ones were being kept, and answer."""
        pause = SHORTEST_PAUSE
        while True:
            await self._something_heard.wait()
            heard = self._heard[:]
            lines = [line for _ear, _answer, some in heard for line in some]
            try:
                await self._loop.run_in_executor(self._keeper, self._keep, lines)
            except Exception as error:  # noqa: BLE001 - the carrier waits until it can be kept
                logger.warning("%s: receipts wait: %s", self.name, type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = SHORTEST_PAUSE
            del self._heard[: len(heard)]
            if not self._heard:
                self._something_heard.clear()
            for ear, answer, _lines in heard:
                ear.write(answer)

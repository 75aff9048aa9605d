"""A message on its way through a link, in as many segments as its text needs.

The carrier answers each segment by itself; of the message only one thing can be said. It is
accepted when every segment was. It was certainly not sent only when no segment was: otherwise
something stands on the phone, and nobody may send it all again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from voting_portal.gateways.dialect import Dialect, Request, Unsendable, Verdict
from voting_portal.gateways.protocol import Message, Outcome, Result

THROTTLE_SECONDS = 1.0  # the rest that a carrier gets when it says that this was too fast
MOST_TRIES = 4  # of one segment that is throttled while its siblings went through

# This process ends: certainly not sent, and the next one may send it at once.
STOPPING = Verdict(Outcome.THROTTLED, reason="stopping")
# Of several answers none of which accepted anything, the one that says most.
_TELLING = (Outcome.REJECTED, Outcome.MISCONFIGURED, Outcome.THROTTLED, Outcome.NOT_SENT)


class Segment:
    """One request of a parcel; its verdict is there once it is settled."""

    __slots__ = ("is_flying", "number", "parcel", "request", "tries", "verdict")

    def __init__(self, parcel: Parcel, number: int, request: Request) -> None:
        self.parcel = parcel
        self.number = number
        self.request = request
        self.verdict: Verdict | None = None
        self.is_flying = False
        self.tries = 0


class Parcel:
    """One message; `done` is called once, with its result known."""

    def __init__(
        self, ref: str, requests: Sequence[Request], *, done: Callable[[Parcel], None]
    ) -> None:
        self.ref = ref
        self.segments = [Segment(self, number, r) for number, r in enumerate(requests, 1)]
        self._done: Callable[[Parcel], None] | None = done

    def fly(self, segment: Segment) -> None:
        """The segment leaves."""
        segment.is_flying = True
        segment.tries += 1

    def settle(self, segment: Segment, verdict: Verdict) -> bool:
        """Note the answer; True when the segment shall wait for another try instead.

        One that is throttled alone would leave half a message on the phone, so it is tried again;
        it certainly was not sent. After another refusal the segments that wait stay here; after an
        answer that never came they go, since the first part is probably there.
        """
        segment.is_flying = False
        if verdict.outcome is Outcome.THROTTLED and segment.tries < MOST_TRIES and self._has_left():
            return True
        segment.verdict = verdict
        if verdict.outcome in _TELLING:
            self.withdraw(verdict)
        self._finish()
        return False

    def withdraw(self, verdict: Verdict) -> None:
        """What has not left will not leave."""
        for segment in self.segments:
            if segment.verdict is None and not segment.is_flying:
                segment.verdict = verdict
        self._finish()

    def result(self) -> Result:
        """What is certain of the message as a whole, once every segment is settled."""
        verdicts = [segment.verdict for segment in self.segments if segment.verdict]
        outcomes = {verdict.outcome for verdict in verdicts}
        if Outcome.UNKNOWN in outcomes or (Outcome.ACCEPTED in outcomes and len(outcomes) > 1):
            # A part is on the phone, or may be: final only when the carrier refused the number.
            outcome = Outcome.REJECTED if Outcome.REJECTED in outcomes else Outcome.UNKNOWN
        else:
            outcome = next(o for o in (*_TELLING, Outcome.ACCEPTED) if o in outcomes)
        refs = tuple(verdict.gateway_ref for verdict in verdicts)
        is_to_rest = outcome is Outcome.THROTTLED and STOPPING not in verdicts
        reason = next((v.reason for v in verdicts if v.outcome is outcome), "in part")
        return Result(
            self.ref,
            outcome,
            gateway_ref=refs[0] if all(refs) else "",
            reason=reason,
            retry_after=THROTTLE_SECONDS if is_to_rest else 0.0,
            refs=refs if all(refs) else (),
        )

    def _has_left(self) -> bool:
        """Whether a segment is with the carrier already, or may be."""
        return any(
            s.is_flying or (s.verdict and s.verdict.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN))
            for s in self.segments
        )

    def _finish(self) -> None:
        if self._done and all(segment.verdict for segment in self.segments):
            done, self._done = self._done, None
            done(self)


class Batch:
    """Messages that one caller of `send` waits for."""

    def __init__(self, dialect: Dialect, messages: Sequence[Message]) -> None:
        self.all_done = threading.Event()
        self.parcels: list[Parcel] = []
        self._results: dict[str, Result] = {}
        self._messages = messages
        for message in messages:
            try:
                requests = dialect.submits(message)
            except Unsendable as fault:
                self._results[message.ref] = Result(
                    message.ref, Outcome.REJECTED, reason=str(fault)
                )
            else:
                self.parcels.append(Parcel(message.ref, requests, done=self._done))
        self._open = len(self.parcels)
        if not self._open:
            self.all_done.set()

    def withdraw(self, verdict: Verdict) -> None:
        for parcel in self.parcels:
            parcel.withdraw(verdict)

    def _done(self, parcel: Parcel) -> None:
        self._results[parcel.ref] = parcel.result()
        self._open -= 1
        if not self._open:
            self.all_done.set()

    def results(self) -> list[Result]:
        unknown = Outcome.UNKNOWN
        return [
            self._results.get(m.ref) or Result(m.ref, unknown, reason="no answer")
            for m in self._messages
        ]

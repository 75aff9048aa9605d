"""What a carrier's gateway (通道) is to the portal, whatever dialect it speaks.

A gateway takes messages and says of each what is certain about it. The difference that matters is
between "certainly not sent", which may be tried again, and "unknown", which may not: carriers have
no idempotence, and nobody shall get a message twice.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from django.utils.functional import Promise


class Kind(enum.Enum):
    """What arrives on the phone; richer kinds take title and link apart from the text."""

    SMS = "sms"  # 短信
    RCS = "rcs"  # 5G消息
    CARD = "card"  # 5G阅信
    APP = "app"  # a broker's app or another platform


class NotFromGateway(Exception):
    """The receipt is not one of this gateway: unsigned, wrongly signed, too old or unreadable."""


class Outcome(enum.Enum):
    """What is known of a message after it was handed to a gateway."""

    ACCEPTED = "accepted"  # the carrier has it; a receipt will follow
    REJECTED = "rejected"  # final for this number
    THROTTLED = "throttled"  # certainly not sent: too fast
    NOT_SENT = "not sent"  # certainly not sent: no connection was made
    UNKNOWN = "unknown"  # the request left, no answer came
    MISCONFIGURED = "misconfigured"  # certainly not sent, and no message will be: our own fault


@dataclass(frozen=True)
class Message:
    """A text for a phone; `ref` is ours and comes back in results and receipts.

    `text` is whole in itself, signature and link included: an SMS, or what a richer kind falls
    back to. `variables` are the words that were filled in, for carriers that compose the text from
    a template registered with them.
    """

    ref: str
    phone: str = field(repr=False)
    text: str = field(repr=False)
    title: str = ""  # of a card
    link: str = field(default="", repr=False)  # what its button opens
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Result:
    """What became of one message; `reason` is the carrier's code, never a number or a text.

    `refs` are the names under which receipts will speak of it, one a segment; empty where they
    speak of our own `ref`.
    """

    ref: str
    outcome: Outcome
    gateway_ref: str = ""
    reason: str = ""
    retry_after: float = 0.0  # seconds, when throttled
    refs: tuple[str, ...] = ()


class Report(enum.Enum):
    """What a receipt says of a message."""

    NETWORK = "network"  # left the carrier; more will follow
    DELIVERED = "delivered"
    DISPLAYED = "displayed"
    FAILED = "failed"  # final: it will not arrive, nor would another at this number
    UNREACHED = "unreached"  # final: it will not arrive, but another may (phone off, queue full)
    REVOKED = "revoked"  # final: taken back before it arrived


@dataclass(frozen=True)
class ReceiptLine:
    """What the carrier reports later of one message.

    It names the message by our `ref`, or by its own `gateway_ref`, which with some carriers stands
    for several messages of one request and needs the phone beside it.
    """

    ref: str
    report: Report
    reason: str = ""
    gateway_ref: str = ""
    phone: str = field(default="", repr=False)


@dataclass(frozen=True)
class Reply:
    """What a person wrote back (上行), as 退订."""

    phone: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True)
class ReceiptAnswer:
    """What the carrier wants to hear when a receipt has arrived."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Gateway(Protocol):
    """A way to phones. Implementations hold no state that a restart would miss."""

    name: str
    kind: Kind
    batch_size: int  # messages in one `send`
    rate: float  # segments a second that the carrier has agreed to
    receipt_answer: ReceiptAnswer

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Hand over up to `batch_size` messages; one result each. Never raises for the network."""
        ...

    def read_receipts(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> Sequence[ReceiptLine | Reply]:
        """What the carrier posted, receipts and replies; NotFromGateway when it did not."""
        ...


@dataclass(frozen=True)
class Handed:
    """A message that a gateway was handed earlier, as far as it takes to ask or say more of it."""

    ref: str
    gateway_ref: str  # empty where no answer came
    phone: str = field(repr=False)
    handed_at: datetime


# What some gateways can do besides: ask `isinstance(gateway, CanQuery)`. Each raises CannotAsk
# when the carrier gives no answer; none of them sends anything to a phone.


class CannotAsk(Exception):
    """The carrier did not answer, or not in words that can be read; ask later."""


@runtime_checkable
class CanQuery(Protocol):
    """Can be asked what became of messages, for receipts that never came (对账)."""

    def query(self, handed: Sequence[Handed]) -> list[ReceiptLine]:
        """What is known by now, each line with the `ref` that was asked for; silence else.

        A message that the carrier never took is reported as FAILED only where it says so for
        certain. Costs up to one request a message.
        """
        ...


@runtime_checkable
class CanLookUp(Protocol):
    """Can tell which phones show what it sends (能力查询)."""

    lookup_size: int  # phones in one question
    lookup_rate: float  # questions a second that the carrier has agreed to

    def supports(self, phones: Sequence[str]) -> dict[str, bool]:
        """Yes or no for each of up to `lookup_size` phones; one it cannot tell of is left out."""
        ...


@runtime_checkable
class CanRevoke(Protocol):
    """Can take back what has not arrived yet (撤回)."""

    def revoke(self, handed: Sequence[Handed]) -> dict[str, bool]:
        """By `ref`, whether the carrier will try. That it did, is told later by REVOKED."""
        ...


@runtime_checkable
class CanGreet(Protocol):
    """Is visited once by the carrier with GET, to see that the address of receipts is ours."""

    def greet(self, headers: Mapping[str, str], *, now: datetime) -> ReceiptAnswer:
        """What the carrier wants to hear; NotFromGateway when it is somebody else."""
        ...


@runtime_checkable
class LinksExpire(Protocol):
    """Sends its own short links in the place of ours, which die before a voting period may end."""

    link_days: int


@runtime_checkable
class ExplainsReasons(Protocol):
    """Knows what its carrier's codes mean."""

    reasons: Mapping[str, Promise]  # code -> words for staff, in their language

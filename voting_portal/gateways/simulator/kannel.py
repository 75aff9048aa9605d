"""A simulated Kannel: takes a message a request, and fetches the address that came with it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from voting_portal.gateways.kannel import TARGET
from voting_portal.gateways.simulator.carrier import (
    PHONE,
    Answer,
    Carrier,
    Fate,
    Post,
    ReceiptPost,
    is_reachable,
)
from voting_portal.gateways.simulator.inbox import Arrival

DELIVERED, FAILED = "1", "2"


class KannelCarrier(Carrier):
    """Names a message only by the address of its receipt, whose places it fills in.

    Of that address it keeps what stands behind the ?: it reports to where it was hired to.
    """

    def refuse(self, post: Post) -> Answer | None:
        account = (post.headers["x-kannel-username"], post.headers["x-kannel-password"])
        is_known = account == (self.options["username"], self.options["password"])
        return None if is_known else Answer(403, b"Authorization failed for sendsms")

    def sends(self, post: Post) -> bool:
        return post.target == TARGET

    def too_fast(self) -> Answer:
        return Answer(503, b"Temporal failure, try again later.")

    def take(self, post: Post) -> Answer:
        phone, address = post.headers["x-kannel-to"], post.headers["x-kannel-dlr-url"]
        if not PHONE.fullmatch(phone):
            return Answer(400, b"Invalid receiver number")
        ref = urlsplit(address).query
        if is_reachable(phone):
            arrival = Arrival("", phone, post.body.decode())
            self.deliver([arrival], [Fate(ref, "", phone, DELIVERED, "stat:DELIVRD err:000")])
        else:
            self.deliver([], [Fate(ref, "", phone, FAILED, "stat:UNDELIV err:001")])
        return Answer(202, b"0: Accepted for delivery")

    def write_receipts(self, fates: Sequence[Fate]) -> list[ReceiptPost]:
        filled = (f.ref.replace("%d", f.step).replace("%A", quote(f.code)) for f in fates)
        return [ReceiptPost(b"", place=f"?{said}", is_fetched=True) for said in filled]

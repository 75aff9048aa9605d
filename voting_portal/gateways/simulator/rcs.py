"""The simulated 5G messages of Alibaba: SendRCS, QueryRCSMobileCapable, 5GSmsReport."""

from __future__ import annotations

import json
from collections.abc import Sequence

from voting_portal.gateways.protocol import Kind
from voting_portal.gateways.simulator.carrier import (
    PHONE,
    Answer,
    Fate,
    Post,
    ReceiptPost,
    is_reachable,
    json_answer,
    shows_cards,
)
from voting_portal.gateways.simulator.clouds import AlibabaCarrier, composed, parameters
from voting_portal.gateways.simulator.inbox import Arrival


class AlibabaRcsCarrier(AlibabaCarrier):
    """Signed and throttled like Alibaba's SMS; a phone without 5G messages gets the SMS."""

    def tell(self, post: Post) -> Answer:
        if post.headers["x-acs-action"] != "QueryRCSMobileCapable":
            return super().tell(post)
        phones = parameters(post)["PhoneNumbers"].split(",")
        found = {p: "Supported" if shows_cards(p) else "NotSupported" for p in phones}
        return json_answer(200, {"Code": "OK", "Data": found, "Success": True})

    def take(self, post: Post) -> Answer:
        said = parameters(post)
        phone, ref = said["PhoneNumbers"], said["OutId"]
        if not PHONE.fullmatch(phone):
            return json_answer(400, {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "RequestId": "1"})
        words = json.loads(said["TemplateParam"])
        text = composed(said["SignName"], said["TemplateCode"], words)
        kind = Kind.RCS.value if shows_cards(phone) else Kind.SMS.value
        if is_reachable(phone):
            fate = Fate(ref, "", phone, "SEND_SUCCESS", "DELIVERED")
            self.deliver([Arrival(ref, phone, text, kind)], [fate])
        else:
            self.deliver([], [Fate(ref, "", phone, "SEND_FAILED", "MOBILE_NOT_ON_SERVICE")])
        return json_answer(200, {"Code": "OK", "RequestId": "1", "Success": True})

    def write_receipts(self, fates: Sequence[Fate]) -> list[ReceiptPost]:
        lines = [
            {
                "phone_number": f.phone,
                "send_status": f.step,
                "err_code": f.code,
                "rcs_id": f"rcs-{f.ref}",
                "out_id": f.ref,
            }
            for f in fates
        ]
        return [ReceiptPost(json.dumps(lines).encode())]

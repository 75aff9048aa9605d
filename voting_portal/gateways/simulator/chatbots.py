"""Simulated platforms of 5G messages: Telecom and Unicom's V1.0.4, China Mobile's openchatbot v2.

Seven of ten phones show cards; to the others the network sends the SMS, where the message has one.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from django.utils import timezone

from voting_portal.gateways import cards
from voting_portal.gateways.botmessage import receipt_signature
from voting_portal.gateways.openchatbot import authorization
from voting_portal.gateways.phones import national
from voting_portal.gateways.protocol import Kind
from voting_portal.gateways.simulator.carrier import (
    PHONE,
    Answer,
    Carrier,
    Fate,
    Post,
    ReceiptPost,
    is_reachable,
    json_answer,
    shows_cards,
)
from voting_portal.gateways.simulator.inbox import Arrival

TOKEN_SECONDS = 7_200


class BotMessageCarrier(Carrier):
    """Tokens, messages, revoke; signed status reports and replies."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.token, self.tokens_given = "", 0
        self.revoked: list[str] = []

    def refuse(self, post: Post) -> Answer | None:
        if post.target.endswith("/accessToken"):
            return None
        if post.headers.get("authorization") != f"accessToken {self.token}" or not self.token:
            return json_answer(200, {"errorCode": 40001, "errorMessage": "token"})
        return None

    def sends(self, post: Post) -> bool:
        return post.target.endswith("/messages")

    def too_fast(self) -> Answer:
        return json_answer(200, {"errorCode": 30003, "errorMessage": "too fast"})

    def tell(self, post: Post) -> Answer:
        said = json.loads(post.body)
        if post.target.endswith("/revoke"):
            number, phone = said["messageId"], national(said["destinationAddress"][0])
            if number not in self.kept:  # it has arrived
                self.report([Fate(number, "", phone, "revokeFail")])
                return json_answer(200, {"errorCode": 0})
            self.kept.remove(number)
            self.revoked.append(number)
            self.report([Fate(number, "", phone, "revokeOk")])
            return json_answer(200, {"errorCode": 0})
        is_known = said == {"appId": self.options["app_id"], "appKey": self.options["app_key"]}
        if not is_known:
            return json_answer(200, {"errorCode": 40013, "errorMessage": "app"})
        self.token = secrets.token_hex(16)
        self.tokens_given += 1
        given = {"accessToken": self.token, "expires": TOKEN_SECONDS, "errorCode": 0}
        return json_answer(200, given)

    def take(self, post: Post) -> Answer:
        said = json.loads(post.body)
        number, phone = said["messageId"], national(said["destinationAddress"][0])
        if not PHONE.fullmatch(phone):
            return json_answer(200, {"messageId": number, "errorCode": 81001})
        first = said["messageList"][0]
        arrival = _arrival(number, phone, first["contentType"], first["contentText"])
        if not is_reachable(phone):
            self.deliver([], [Fate(number, "", phone, "failed", "1")])
        elif shows_cards(phone):
            steps = ("sent", "delivered", "displayed")
            self.deliver([arrival], [Fate(number, "", phone, step) for step in steps])
        elif said["smsSupported"]:
            sms = Arrival(number, phone, said["smsContent"])
            self.deliver([sms], [Fate(number, "", phone, "deliveredToNetwork")])
        else:
            self.deliver([], [Fate(number, "", phone, "failed", "2")])
        return json_answer(200, {"messageId": number, "errorCode": 0})

    def write_receipts(self, fates: Sequence[Fate]) -> list[ReceiptPost]:
        infos = [
            {
                "messageId": f.ref,
                "status": f.step,
                "senderAddress": f"tel:+86{f.phone}",
                **({"errorCode": f.code} if f.code else {}),
            }
            for f in fates
        ]
        bot = quote(self.options["chatbot_id"], safe="")
        place = f"/deliveryNotification/{bot}/status"
        return [self._signed({"deliveryInfoList": infos}, place)]

    def tap(self, phone: str, suggestion: Mapping[str, Any]) -> None:
        """Somebody taps a suggestion below a message."""
        part = {
            "contentType": cards.SUGGESTION_TAPPED,
            "contentText": {"response": {"reply": suggestion}},
        }
        content = {"senderAddress": f"tel:+86{phone}", "messageList": [part]}
        bot = quote(self.options["chatbot_id"], safe="")
        self.post_back([self._signed(content, f"/messageNotification/{bot}/messages")])

    def _signed(self, content: Mapping[str, Any], place: str) -> ReceiptPost:
        timestamp, nonce = str(int(timezone.now().timestamp())), secrets.token_hex(8)
        token = self.options["receipt_token"]
        signature = receipt_signature(token, timestamp=timestamp, nonce=nonce)
        headers = {"timestamp": timestamp, "nonce": nonce, "signature": signature}
        return ReceiptPost(json.dumps(content).encode(), headers, place)


class OpenChatbotCarrier(Carrier):
    """Messages to one phone each; reports of one message each."""

    receipts_in_one_post = 1

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._numbers = itertools.count(1)

    def refuse(self, post: Post) -> Answer | None:
        right = authorization(self.options["app_id"], self.options["app_key"])
        return None if post.headers.get("authorization") == right else json_answer(401, {})

    def sends(self, post: Post) -> bool:
        return post.target.endswith("/outbound")

    def take(self, post: Post) -> Answer:
        said = json.loads(post.body)
        phone, message = national(said["address"]), said["outboundIMMessage"]
        if not PHONE.fullmatch(phone):
            return json_answer(400, {"code": "SVC0002"})
        number = str(uuid.uuid4())
        kind, content = _first_part(message["contentType"], message["bodyText"])
        arrival = _arrival(number, phone, kind, content)
        if not is_reachable(phone):
            self.deliver([], [Fate("", number, phone, "DeliveryImpossible", "SVC5001")])
        elif shows_cards(phone):
            steps = ("MessageSent", "DeliveredToTerminal", "MessageDisplayed")
            self.deliver([arrival], [Fate("", number, phone, step) for step in steps])
        elif message["shortMessageSupported"]:
            sms = Arrival(number, phone, f"{arrival.text} {arrival.link}".strip())
            self.deliver([sms], [Fate("", number, phone, "DeliveredToNetwork", "SMS")])
        else:
            self.deliver([], [Fate("", number, phone, "DeliveryImpossible", "800")])
        told = {"messageId": number, "clientCorrelator": said["clientCorrelator"]}
        return json_answer(201, told)

    def write_receipts(self, fates: Sequence[Fate]) -> list[ReceiptPost]:
        right = authorization(self.options["app_id"], self.options["app_key"])
        headers = {"Authorization": right}
        return [
            ReceiptPost(
                json.dumps(
                    {
                        "deliveryInfo": {
                            "address": f"tel:+86{f.phone}",
                            "messageId": f.gateway_ref,
                            "deliveryStatus": f.step,
                            "description": f.code,
                        }
                    }
                ).encode(),
                headers,
                "/DeliveryInfoNotification",
            )
            for f in fates
        ]


def _arrival(ref: str, phone: str, kind: str, content: Any) -> Arrival:
    """A 5G message as the phone shows it."""
    if kind != cards.CARD:
        return Arrival(ref, phone, str(content), Kind.RCS.value)
    shown = json.loads(content) if isinstance(content, str) else content
    card = shown["message"]["generalPurposeCard"]["content"]
    action = card["suggestions"][0]["action"]
    link, button = action["urlAction"]["openUrl"]["url"], action["displayText"]
    return Arrival(ref, phone, card["description"], Kind.RCS.value, card["title"], link, button)


def _first_part(content_type: str, body: str) -> tuple[str, str]:
    """Content type and content of the first part of a multipart body."""
    boundary = re.search(r'boundary="(\w+)"', content_type)
    assert boundary is not None
    part = body.split(f"--{boundary[1]}")[1]
    head, _blank, content = part.partition("\r\n\r\n")
    kind = head.partition("Content-Type: ")[2].partition("\r\n")[0]
    return kind, content.removesuffix("\r\n")

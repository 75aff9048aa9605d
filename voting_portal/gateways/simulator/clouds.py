"""Simulated clouds: Alibaba's SMS and cards, Tencent's SMS, with their signatures.

They compose a text from the words that they are given; the template itself stands nowhere here, so
the handset shows its code.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from django.utils import timezone

from voting_portal.gateways import canonical
from voting_portal.gateways.alibaba import BEIJING
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

BUTTON = "查看详情"


def composed(sign: str, template: str, words: Mapping[str, str] | Sequence[str]) -> str:
    """A text as a template would make it."""
    texts = list(words.values()) if isinstance(words, Mapping) else list(words)
    return f"【{sign}】[{template}] {' '.join(texts)}"


class Cloud(Carrier):
    """Signed in one of the three ways of canonical.py; remembers what it sent, for questions."""

    secret_name, id_name = "access_key_secret", "access_key_id"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._numbers = itertools.count(1)
        self.sent: dict[str, list[dict[str, str]]] = {}  # by phone

    def signer(self, post: Post) -> str:
        request = canonical.Request("POST", post.path, post.headers, post.body, post.query)
        return canonical.signed_by(request, secret=self.options[self.secret_name])

    def is_signed(self, post: Post) -> bool:
        return self.signer(post) == str(self.options[self.id_name])

    def next_id(self) -> str:
        return f"{secrets.token_hex(4)}{next(self._numbers):08d}"

    def remember(self, phone: str, **sent: str) -> None:
        at = timezone.now().astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
        has_arrived = "yes" if is_reachable(phone) else ""
        told = {**sent, "at": at, "has_arrived": has_arrived}
        self.sent.setdefault(phone, []).append(told)


class AlibabaCarrier(Cloud):
    """SendBatchSms, SendBatchCardSms, QuerySendDetails, QueryMobilesCardSupport; SmsReport."""

    def refuse(self, post: Post) -> Answer | None:
        if not self.is_signed(post):
            return json_answer(403, {"Code": "SignatureDoesNotMatch", "RequestId": "1"})
        return None

    def sends(self, post: Post) -> bool:
        return post.headers.get("x-acs-action", "").startswith("Send")

    def too_fast(self) -> Answer:
        return json_answer(400, {"Code": "Throttling.User", "RequestId": "1"})

    def tell(self, post: Post) -> Answer:
        said = parameters(post)
        if post.headers["x-acs-action"] == "QueryMobilesCardSupport":
            found = [{"Mobile": p, "Support": shows_cards(p)} for p in json.loads(said["Mobiles"])]
            return json_answer(200, {"Code": "OK", "Data": {"QueryResult": found}})
        details = [
            {
                "PhoneNum": said["PhoneNumber"],
                "SendStatus": 3 if sent["has_arrived"] else 2,
                "ErrCode": "DELIVERED" if sent["has_arrived"] else "MOBILE_NOT_ON_SERVICE",
                "SendDate": sent["at"],
                "OutId": sent["out_id"],
            }
            for sent in self.sent.get(said["PhoneNumber"], [])
            if said.get("BizId", sent["biz_id"]) == sent["biz_id"]
        ]
        listed = {"SmsSendDetailDTO": details}
        return json_answer(200, {"Code": "OK", "SmsSendDetailDTOs": listed, "TotalCount": "1"})

    def take(self, post: Post) -> Answer:
        said = parameters(post)
        phones = json.loads(said["PhoneNumberJson"])
        if not all(PHONE.fullmatch(phone) for phone in phones):
            return json_answer(400, {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "RequestId": "1"})
        if len(set(phones)) < len(phones) or len(phones) > 100:
            return json_answer(400, {"Code": "isv.MOBILE_COUNT_OVER_LIMIT", "RequestId": "1"})
        if "CardTemplateCode" in said:
            return self._take_cards(said, phones)
        number = self.next_id()
        self._send(said, phones, number, said["TemplateCode"], said["TemplateParamJson"])
        return json_answer(200, {"Code": "OK", "BizId": number, "RequestId": "1"})

    def write_receipts(self, fates: Sequence[Fate]) -> list[ReceiptPost]:
        lines = [
            {
                "phone_number": f.phone,
                "send_time": "2026-06-26 09:15:00",
                "report_time": "2026-06-26 09:15:01",
                "success": f.step == "delivered",
                "err_code": f.code,
                "biz_id": f.gateway_ref,
                "out_id": f.ref,
            }
            for f in fates
        ]
        return [ReceiptPost(json.dumps(lines).encode())]

    def _send(
        self, said: Mapping[str, str], phones: Sequence[str], number: str, code: str, words: str
    ) -> None:
        arrivals, fates = [], []
        texts = zip(phones, json.loads(said["SignNameJson"]), json.loads(words), strict=True)
        for phone, sign, filled in texts:
            self.remember(phone, biz_id=number, out_id=said["OutId"])
            if is_reachable(phone):
                arrivals.append(Arrival(number, phone, composed(sign, code, filled)))
                fates.append(Fate(said["OutId"], number, phone, "delivered", "DELIVERED"))
            else:
                fates.append(Fate(said["OutId"], number, phone, "failed", "MOBILE_NOT_ON_SERVICE"))
        self.deliver(arrivals, fates)

    def _take_cards(self, said: Mapping[str, str], phones: Sequence[str]) -> Answer:
        card_id, sms_id = self.next_id(), ""
        arrivals, fates, others = [], [], []
        cards = json.loads(said["CardTemplateParamJson"])
        for phone, sign, card in zip(phones, json.loads(said["SignNameJson"]), cards, strict=True):
            if not shows_cards(phone):
                others.append(phone)
                continue
            text = composed(sign, said["CardTemplateCode"], json.loads(card["dyncParams"]))
            arrivals.append(
                Arrival(card_id, phone, text, Kind.CARD.value, sign, card["customUrl"], BUTTON)
            )
            fates.append(Fate(said["OutId"], card_id, phone, "delivered", "DELIVERED"))
        self.deliver(arrivals, fates)
        if others and said["FallbackType"] == "SMS":
            sms_id = self.next_id()
            words = dict(zip(phones, json.loads(said["SmsTemplateParamJson"]), strict=True))
            signs = json.dumps([json.loads(said["SignNameJson"])[0]] * len(others))
            texts = json.dumps([words[phone] for phone in others])
            told = {**said, "SignNameJson": signs}
            self._send(told, others, sms_id, said["SmsTemplateCode"], texts)
        data = {"BizCardId": card_id, "BizSmsId": sms_id, "NotMediaMobiles": ",".join(others)}
        return json_answer(200, {"Code": "OK", "Data": data, "Success": True})


class TencentCarrier(Cloud):
    """SendSms, PullSmsSendStatusByPhoneNumber; receipts a hundred a post."""

    secret_name, id_name = "secret_key", "secret_id"
    receipts_in_one_post = 100

    def refuse(self, post: Post) -> Answer | None:
        return None if self.is_signed(post) else _error("AuthFailure.SignatureFailure")

    def sends(self, post: Post) -> bool:
        return post.headers.get("x-tc-action") == "SendSms"

    def too_fast(self) -> Answer:
        return _error("RequestLimitExceeded")

    def tell(self, post: Post) -> Answer:
        asked = json.loads(post.body)
        found = [
            {
                "PhoneNumber": asked["PhoneNumber"],
                "SerialNo": sent["serial"],
                "ReportStatus": "SUCCESS" if sent["has_arrived"] else "FAIL",
                "Description": "DELIVRD" if sent["has_arrived"] else "MK:0001",
                "SessionContext": sent["session"],
            }
            for sent in self.sent.get(national(asked["PhoneNumber"]), [])
        ]
        return json_answer(200, {"Response": {"PullSmsSendStatusSet": found, "RequestId": "1"}})

    def take(self, post: Post) -> Answer:
        said = json.loads(post.body)
        (number,) = said["PhoneNumberSet"]
        phone, session, serial = national(number), said["SessionContext"], self.next_id()
        status = {"SerialNo": serial, "PhoneNumber": number, "SessionContext": session}
        if not PHONE.fullmatch(phone):
            status |= {"SerialNo": "", "Code": "InvalidParameterValue.IncorrectPhoneNumber"}
            return json_answer(200, {"Response": {"SendStatusSet": [status]}})
        self.remember(phone, serial=serial, session=session)
        if is_reachable(phone):
            text = composed(said["SignName"], said["TemplateId"], said["TemplateParamSet"])
            self.deliver(
                [Arrival(session, phone, text)],
                [Fate(session, serial, phone, "SUCCESS", "DELIVRD")],
            )
        else:
            self.deliver([], [Fate(session, serial, phone, "FAIL", "MK:0001")])
        status |= {"Code": "Ok", "Message": "send success", "Fee": 1, "IsoCode": "CN"}
        return json_answer(200, {"Response": {"SendStatusSet": [status], "RequestId": "1"}})

    def write_receipts(self, fates: Sequence[Fate]) -> list[ReceiptPost]:
        lines = [
            {
                "user_receive_time": "2026-06-26 09:15:01",
                "nationcode": "86",
                "mobile": f.phone,
                "report_status": f.step,
                "errmsg": f.code,
                "sid": f.gateway_ref,
                "ext": f.ref,
            }
            for f in fates
        ]
        return [ReceiptPost(json.dumps(lines).encode())]


def parameters(post: Post) -> dict[str, str]:
    """Of a call of Alibaba's: in the address and in the form."""
    return {**post.query, **dict(parse_qsl(post.body.decode()))}


def _error(code: str) -> Answer:
    return json_answer(200, {"Response": {"Error": {"Code": code, "Message": ""}}})

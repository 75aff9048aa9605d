"""The simulated platform of 5G阅信: tasks, capabilities, receipts of the SMS and of the card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

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
from voting_portal.gateways.simulator.clouds import BUTTON, Cloud, composed
from voting_portal.gateways.simulator.inbox import Arrival
from voting_portal.gateways.yuexin import sha1_of


class YuexinCarrier(Cloud):
    """send-tasks and mobile-capabilities; a receipt of the SMS, and one where a card was drawn."""

    receipts_in_one_post = 100

    def refuse(self, post: Post) -> Answer | None:
        if not self.is_signed(post):
            return json_answer(401, {"error_code": "APIGW.0301", "error_msg": "Incorrect IAM"})
        return None

    def sends(self, post: Post) -> bool:
        return post.target == "/v1/aim/send-tasks"

    def too_fast(self) -> Answer:
        return json_answer(429, {"error_code": "APIGW.0308"})

    def tell(self, post: Post) -> Answer:
        digests = set(json.loads(post.body)["mobiles"])
        known = {sha1_of(f"1540000{n:04d}"): f"1540000{n:04d}" for n in range(1, 101)}
        yes = [d for d in digests if d in known and shows_cards(known[d])]
        no = [d for d in digests if d in known and not shows_cards(known[d])]
        return json_answer(200, {"supported_mobiles": yes, "unsupported_mobiles": no})

    def take(self, post: Post) -> Answer:
        said = json.loads(post.body)
        channel, task, number = said["sms_channel"], said["resolve_task"], self.next_id()
        arrivals, fates, failed = [], [], []
        for one in task["params"]:
            phone = one["cust_flag"]
            if not PHONE.fullmatch(phone):
                failed.append({"cust_flag": phone})
                continue
            if not is_reachable(phone):
                fates.append(Fate(said["task_name"], number, phone, "sms", "UNDELIV"))
                continue
            card = composed(channel["sms_sign"], task["tpl_id"], one["dync_params"])
            text = composed(channel["sms_sign"], channel["sms_tpl_id"], one["sms_params"])
            fates.append(Fate(said["task_name"], number, phone, "sms", "DELIVRD"))
            if shows_cards(phone):
                about = (Kind.CARD.value, channel["sms_sign"], one["custom_url"], BUTTON)
                arrivals.append(Arrival(number, phone, card, *about))
                fates.append(Fate(said["task_name"], number, phone, "shortchain"))
            else:
                arrivals.append(Arrival(number, phone, f"{text} {one['custom_url']}"))
        self.deliver(arrivals, fates)
        state = {"task_id": number, "task_state": "Success", "failed_short_chains": failed}
        return json_answer(200, state)

    def write_receipts(self, fates: Sequence[Fate]) -> list[ReceiptPost]:
        posts = []
        for kind in ("sms", "shortchain"):
            items = [
                {
                    "task_id": f.gateway_ref,
                    "cust_flag": f.phone,
                    "aim_url": f"km2n.example/{f.phone[-6:]}",
                    **({"send_status": f.code} if kind == "sms" else {"status": 0}),
                }
                for f in fates
                if f.step == kind
            ]
            if items:
                content = {"request_id": "1", "callback_type": kind, "body": json.dumps(items)}
                posts.append(ReceiptPost(json.dumps(content).encode()))
        return posts


class YuexinLinksCarrier(YuexinCarrier):
    """resolve-tasks of the platform, and the SMS channel that sends its links, at one address.

    A phone that shows cards draws the one of a link that it gets, once.
    """

    receipts_in_one_post = 500

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cards: dict[str, tuple[str, str, str]] = {}  # by short link: our ref, text, address
        self.asked: list[Any] = []
        self.links_to_refuse = 0  # links that are asked for and not made

    def refuse(self, post: Post) -> Answer | None:
        is_sms = post.target == "/messages"
        return Carrier.refuse(self, post) if is_sms else super().refuse(post)

    def sends(self, post: Post) -> bool:
        return post.target == "/messages"

    def tell(self, post: Post) -> Answer:
        if post.target != "/v1/aim/resolve-tasks":
            return super().tell(post)
        said = json.loads(post.body)
        self.asked.append(said)
        made = []
        for one in said["params"]:
            if self.links_to_refuse:
                self.links_to_refuse -= 1
                made.append({"cust_flag": one["cust_flag"], "result_code": "AIM.1001"})
                continue
            link = f"km2n.example/{len(self.cards):06x}"
            card = composed(said["sms_signs"][0], said["tpl_id"], one["dync_params"])
            self.cards[link] = (one["cust_flag"], card, one["custom_url"])
            made.append({"cust_flag": one["cust_flag"], "aim_url": link, "result_code": "0"})
        return json_answer(200, {"task_id": self.next_id(), "params": made})

    def deliver(self, arrivals: Sequence[Arrival], fates: Sequence[Fate]) -> None:
        drawn, shown = [], []
        for arrival in arrivals:
            link = next((link for link in self.cards if link in arrival.text), "")
            if not link or not shows_cards(arrival.phone):
                shown.append(arrival)
                continue
            ref, card, address = self.cards[link]
            about = (Kind.CARD.value, arrival.text[1 : arrival.text.index("】")], address, BUTTON)
            shown.append(Arrival(arrival.ref, arrival.phone, card, *about))
            drawn.append(Fate(ref, "", arrival.phone, "shortchain"))
        super().deliver(shown, [*fates, *drawn])

    def take(self, post: Post) -> Answer:
        return Carrier.take(self, post)

    def write_receipts(self, fates: Sequence[Fate]) -> list[ReceiptPost]:
        drawn = [{"cust_flag": f.ref, "status": 0} for f in fates if f.step == "shortchain"]
        sent = [fate for fate in fates if fate.step != "shortchain"]
        posts = Carrier.write_receipts(self, sent) if sent else []
        if drawn:
            content = {"request_id": "1", "callback_type": "shortchain", "body": json.dumps(drawn)}
            posts.append(ReceiptPost(json.dumps(content).encode()))
        return posts

"""Cards of 5G messages (GSMA botmessage): a title, a text, a button that opens the link.

Below stands the suggestion 不再接收; whoever taps it has replied 退订.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from voting_portal.gateways.protocol import Message

CARD = "application/vnd.gsma.botmessage.v1.0+json"
SUGGESTIONS = "application/vnd.gsma.botsuggestion.v1.0+json"
SUGGESTION_TAPPED = "application/vnd.gsma.botsuggestion.response.v1.0+json"
MOST_TITLE_CHARACTERS, MOST_TEXT_CHARACTERS, MOST_BUTTON_BYTES = 200, 2_000, 25
BUTTON, OPT_OUT = "立即投票", "不再接收"
OPT_OUT_DATA, OPT_OUT_REPLY = "optout", "退订"


def read_button(name: str, options: Mapping[str, Any]) -> str:
    """What stands on the button; ImproperlyConfigured when it is longer than carriers take."""
    button = str(options.get("button", BUTTON))
    if len(button.encode()) > MOST_BUTTON_BYTES:
        raise ImproperlyConfigured(
            f"GATEWAYS: {name}: the button {button!r} is longer than {MOST_BUTTON_BYTES} bytes."
        )
    return button


def card(message: Message, *, button: str) -> dict[str, Any]:
    """The card of a message that has a title and a link."""
    content = {
        "title": message.title[:MOST_TITLE_CHARACTERS],
        "description": text_beside_the_button(message)[:MOST_TEXT_CHARACTERS],
        "suggestions": [
            {
                "action": {
                    "urlAction": {
                        "openUrl": {
                            "url": message.link,
                            "application": "webview",
                            "viewMode": "half",
                        }
                    },
                    "displayText": button,
                    "postback": {"data": "vote"},
                }
            }
        ],
    }
    layout = {"cardOrientation": "VERTICAL", "titleFontStyle": ["bold"]}
    return {"message": {"generalPurposeCard": {"layout": layout, "content": content}}}


def suggestions() -> dict[str, Any]:
    reply = {"displayText": OPT_OUT, "postback": {"data": OPT_OUT_DATA}}
    return {"suggestions": [{"reply": reply}]}


def text_beside_the_button(message: Message) -> str:
    """The text without its link, which the button opens."""
    return re.sub(r" {2,}", " ", message.text.replace(message.link, "")).strip()


def reply_text(content_type: str, content: object) -> str:
    """What a person wrote or tapped; blank for what is no reply, as a file or a position.

    ValueError, KeyError or TypeError when it cannot be read.
    """
    if content_type.startswith("text/plain"):
        return str(content)
    if not content_type.startswith(SUGGESTION_TAPPED):
        return ""
    tapped = json.loads(content) if isinstance(content, str) else content
    (choice,) = tapped["response"].values()  # type: ignore[index]
    is_opt_out = choice.get("postback", {}).get("data") == OPT_OUT_DATA
    return OPT_OUT_REPLY if is_opt_out else str(choice["displayText"])

"""Templates registered with a carrier (报备模板): the carrier composes the text, we fill in words.

In the options of a gateway, in the order in which they are tried:

    "templates": [{"code": "SMS_1", "words": {"name": "简称", "vote_code": "投票码"}},
                  {"code": "SMS_2", "words": {"code": "验证码"}}]

The keys are the carrier's names of the blanks, or there is a list where it numbers them; the values
are our words: those of the message's variables, 链接 for its link and 标题 for its title. A message
goes by the first template all of whose words it has, so that a notice and a one-time code find
their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from voting_portal.gateways.protocol import Message

LINK, TITLE = "链接", "标题"


@dataclass(frozen=True)
class Template:
    code: str
    words: Mapping[str, str]

    def fits(self, message: Message) -> bool:
        return all(word in words_of(message) for word in self.words.values())

    def fill(self, message: Message) -> dict[str, str]:
        """What goes into the blanks, in their order."""
        words = words_of(message)
        return {blank: words[word] for blank, word in self.words.items()}


def words_of(message: Message) -> dict[str, str]:
    words = {LINK: message.link, TITLE: message.title, **message.variables}
    return {word: text for word, text in words.items() if text}


def read_templates(name: str, options: Mapping[str, Any], *, takes_links: bool) -> list[Template]:
    """The templates of the gateway `name`; ImproperlyConfigured when they cannot work.

    `takes_links`: whether this carrier lets a blank hold an address at all.
    """
    templates = []
    for template in options["templates"]:
        words = template["words"]
        if not isinstance(words, Mapping):
            words = {str(number): word for number, word in enumerate(words, 1)}
        if LINK in words.values() and not takes_links:
            raise ImproperlyConfigured(
                f"GATEWAYS: {name}: template {template['code']} fills in a link, which this "
                "carrier forbids; write a constant address in the template and fill in 投票码."
            )
        templates.append(Template(str(template["code"]), dict(words)))
    return templates


def choose(templates: Sequence[Template], message: Message) -> Template | None:
    """The template for this message; None when it has not the words for any."""
    return next((template for template in templates if template.fits(message)), None)


def requests_of(
    templates: Sequence[Template], messages: Sequence[Message]
) -> Iterator[tuple[Template | None, list[Message]]]:
    """Messages by the request they go in: one template each, and no number twice."""
    requests: dict[tuple[str, int], tuple[Template | None, list[Message]]] = {}
    times: dict[tuple[str, str], int] = {}
    for message in messages:
        template = choose(templates, message)
        code = template.code if template else ""
        number = times.get((code, message.phone), 0)
        times[code, message.phone] = number + 1
        requests.setdefault((code, number), (template, []))[1].append(message)
    yield from requests.values()

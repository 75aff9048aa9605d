"""What a notice says (短信文字): one wording a campaign, filled in for each holder.

A wording begins with the registered signature 【上证信息】 and has in braces what is filled in:
{简称} {代码} {届次} {月} {日} for the meeting, {链接} for the holder's own link, once, with a blank
on either side: without one many phones take the next character into the link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from meetings.models import Meeting
from voting_portal.common.refusals import Refusal

LINK = "链接"
MEETING_WORDS = ("简称", "代码", "届次", "月", "日")
LINK_CHARACTERS = 25
MOST_UNITS = 500  # what carriers take at most

_BRACES = re.compile(r"\{([^{}]*)\}")


class BadWording(Refusal):
    """Such a text cannot be sent; `message` says why."""


@dataclass(frozen=True)
class Notice:
    """A wording with the meeting's words in it; only the link is left to fill in."""

    before: str
    after: str

    def text(self, url: str) -> str:
        """As the holder with this link gets it."""
        return f"{self.before}{url}{self.after}"

    def sample(self) -> str:
        """As long as a real one, without anybody's link."""
        return self.text(f"{settings.PUBLIC_URL}/v/{'•' * LINK_CHARACTERS}")

    @property
    def units(self) -> int:
        return units(self.sample())

    @property
    def segments(self) -> int:
        """What one message costs; links are all of one length."""
        return segments(self.sample())


def default_wording() -> str:
    return (
        f"【{settings.SMS_SIGNATURE}】您持有的{{简称}}({{代码}}){{月}}月{{日}}日开股东会,"
        "点此投票 {链接} 请勿转发"
    )


def compose(wording: str, meeting: Meeting) -> Notice:
    """Fill in all but the link; BadWording when the text breaks a rule of the carriers.

    `meeting` comes with its issuer. No variable may hold 【】, which mark the signature alone.
    """
    words = {
        "简称": meeting.issuer.short_name,
        "代码": meeting.issuer.security_code,
        "届次": meeting.title,
        "月": str(meeting.meeting_date.month),
        "日": str(meeting.meeting_date.day),
    }
    _check_wording(wording)
    _check_words(words)
    before, after = wording.split(f"{{{LINK}}}")
    notice = Notice(_fill(before, words), _fill(after, words))
    if notice.units > MOST_UNITS:
        raise BadWording(
            _("短信共%(units)s字,超过%(most)s字。") % {"units": notice.units, "most": MOST_UNITS}
        )
    return notice


def units(text: str) -> int:
    """The length that carriers count: UTF-16 units, two for a character beyond the first plane."""
    return len(text.encode("utf-16-le")) // 2


def segments(text: str) -> int:
    """How many messages the carrier counts and bills: 70 units in one, 67 in each of several."""
    length = units(text)
    return 1 if length <= 70 else -(-length // 67)


def _check_wording(wording: str) -> None:
    signature = f"【{settings.SMS_SIGNATURE}】"
    if not wording.startswith(signature):
        raise BadWording(_("短信须以签名%(signature)s开头。") % {"signature": signature})
    if "【" in wording[1:] or "】" in wording[len(signature) :]:
        raise BadWording(_("除签名外,短信中不得出现【】。"))
    if unknown := sorted(set(_BRACES.findall(wording)) - {*MEETING_WORDS, LINK}):
        words = {"unknown": "、".join(unknown), "known": "、".join((*MEETING_WORDS, LINK))}
        raise BadWording(_("不认识变量“%(unknown)s”;可用的变量:%(known)s。") % words)
    if re.search(r"[{}]", _BRACES.sub("", wording)):
        raise BadWording(_("花括号不成对。"))
    if wording.count(f"{{{LINK}}}") != 1:
        raise BadWording(_("变量{链接}须出现且只出现一次。"))
    if not re.search(rf" \{{{LINK}\}}( |$)", wording):
        raise BadWording(_("变量{链接}前后须各留一个空格。"))


def _check_words(words: Mapping[str, str]) -> None:
    for name, word in words.items():
        if re.search("[【】{}]", word):
            raise BadWording(
                _("变量“%(name)s”的内容含有【】或花括号,不能写入短信。") % {"name": name}
            )


def _fill(text: str, words: Mapping[str, str]) -> str:
    return _BRACES.sub(lambda brace: words[brace[1]], text)

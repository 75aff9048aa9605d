"""What a notice says (短信文字): wordings of a campaign, filled in for each holder.

A wording begins with the registered signature 【上证信息】 and has in braces what is filled in:
{简称} {代码} {届次} {月} {日} for the meeting, {股东} for the holder's masked name. The way to the
vote differs by gateway: {链接}, the holder's own link, once; or where a carrier lets only constant
addresses pass, {网址} and {投票码}. An address stands between blanks: without them many phones
take the next character into it.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from identity import links, vote_codes
from meetings.models import Meeting
from notifications.models import Campaign
from voting_portal.common.refusals import Refusal
from voting_portal.gateways import Message

MEETING_WORDS = ("简称", "代码", "届次", "月", "日")
NAME, LINK, ADDRESS, CODE = "股东", "链接", "网址", "投票码"
LONGEST_NAME = 12  # units of a masked name (voting_portal/common/masking.py)
MOST_UNITS = 500  # what carriers take at most

Kind = Campaign.Kind
_BRACES = re.compile(r"\{([^{}]*)\}")
_TO_VOTE = (Kind.NOTICE, Kind.REMINDER)


class LinkMode(enum.Enum):
    """How a message leads its holder to the vote: a gateway's option `link_mode`."""

    PERSONAL = "personal"
    CODE = "code"


class BadWording(Refusal):
    """Such a text cannot be sent; `message` says why."""


@dataclass(frozen=True)
class Notice:
    """A wording with the meeting's words in it; only the holder's own are left to fill in."""

    wording: str
    title: str  # of a card
    mode: LinkMode
    words: Mapping[str, str]  # the meeting's
    meeting_id: int

    def message(self, *, ref: str, phone: str, holder: int, generation: int, name: str) -> Message:
        """The message for one holder; `name` is the masked one.

        KeyDestroyed when the meeting's keys are gone.
        """
        way = self._sign(holder, generation)
        return self._written(ref=ref, phone=phone, way=way, name=name)

    def specimen(self, *, ref: str, phone: str) -> Message:
        """A message as long as a real one, whose link and code lead nowhere."""
        return self._written(ref=ref, phone=phone, way=self._blank("0"), name=str(_("股东姓名")))

    def sample(self, name: str = "张*三") -> str:
        """The text as a holder of this masked name gets it, link and code struck out."""
        return self._written(ref="", phone="", way=self._blank("•"), name=name).text

    @property
    def has_name(self) -> bool:
        return f"{{{NAME}}}" in self.wording

    def units(self, name_units: int = LONGEST_NAME) -> int:
        """The length of the message to a holder whose masked name has so many units."""
        return units(self.sample(name="")) + (name_units if self.has_name else 0)

    @property
    def segments(self) -> int:
        """What one message costs at most."""
        return self.segments_with(LONGEST_NAME)

    def segments_with(self, name_units: int) -> int:
        """What a message costs at most to a holder whose masked name has so many units."""
        text = self.sample(name="")
        has_pairs = self.has_name or units(text) > len(text)
        return segments_of(self.units(name_units), has_pairs=has_pairs)

    @property
    def _own(self) -> str:
        """The word that is another for each holder."""
        return LINK if self.mode is LinkMode.PERSONAL else CODE

    @functools.cached_property
    def _sign(self) -> Callable[[int, int], str]:
        """A holder's own link or code, by its id and generation."""
        if self.mode is LinkMode.PERSONAL:
            return links.url_writer(self.meeting_id)
        return vote_codes.personal_code

    def _blank(self, character: str) -> str:
        """As long as a link or a code, of nothing but this character."""
        if self.mode is LinkMode.PERSONAL:
            return f"{settings.PUBLIC_URL}/v/{character * links.CHARACTERS}"
        return character * vote_codes.CHARACTERS

    @functools.cached_property
    def _begun(self) -> tuple[str, dict[str, str], str]:
        """What all messages share, written once: the text but for the holder's own words, the
        words in it, and the constant address where there is one.
        """
        address = settings.PUBLIC_URL + reverse("identity:enter")
        words = {**self.words, **({ADDRESS: address} if self.mode is LinkMode.CODE else {})}
        named = _BRACES.findall(self.wording)
        shared = {name: words[name] for name in named if name in words}
        text = _BRACES.sub(lambda brace: words.get(brace[1], brace[0]), self.wording)
        return text, shared, address

    def _written(self, *, ref: str, phone: str, way: str, name: str) -> Message:
        text, shared, address = self._begun
        own = {self._own: way} if f"{{{self._own}}}" in text else {}
        if self.has_name:
            own[NAME] = re.sub("[【】{}]", "", name)
        for word, said in own.items():
            text = text.replace(f"{{{word}}}", said)
        return Message(
            ref=ref,
            phone=phone,
            text=text,
            title=self.title,
            link=way if self.mode is LinkMode.PERSONAL else address,
            variables={**shared, **own},
        )


def default_wording(kind: str = Kind.NOTICE, mode: LinkMode = LinkMode.PERSONAL) -> str:
    """What a form begins with."""
    ways = {
        LinkMode.PERSONAL: "点此投票 {链接} 请勿转发",
        LinkMode.CODE: "投票码{投票码},登录 {网址}",
    }
    address = {LinkMode.PERSONAL: " {链接} ", LinkMode.CODE: " {网址} "}[mode]
    is_personal = mode is LinkMode.PERSONAL  # beside a code there is no room for more words
    whose, opens = ("您持有的", "开") if is_personal else ("", "")
    text = {
        Kind.NOTICE: f"{whose}{{简称}}({{代码}}){{月}}月{{日}}日{opens}股东会,{ways[mode]}",
        Kind.REMINDER: f"{{简称}}({{代码}})股东会{{月}}月{{日}}日截止投票,尚未投票的请{ways[mode]}",
        Kind.CORRECTION: f"{{简称}}({{代码}})股东会通知有更正,以公司公告为准,详见{address}请勿转发",
        Kind.RESULT: f"{{简称}}({{代码}}){{月}}月{{日}}日股东会结果已公布,详见{address}请勿转发",
    }[Kind(kind)]
    return f"【{settings.SMS_SIGNATURE}】{text}"


def compose(
    wording: str, meeting: Meeting, *, kind: str = Kind.NOTICE, mode: LinkMode = LinkMode.PERSONAL
) -> Notice:
    """Fill in the meeting's words; BadWording when the text breaks a rule of the carriers.

    `meeting` comes with its issuer. No variable may hold 【】, which mark the signature alone.
    """
    words = {
        "简称": meeting.issuer.short_name,
        "代码": meeting.issuer.security_code,
        "届次": meeting.title,
        "月": str(meeting.meeting_date.month),
        "日": str(meeting.meeting_date.day),
    }
    _check_wording(wording, kind=kind, mode=mode)
    _check_words(words)
    title = f"{meeting.issuer.short_name}{meeting.title}"
    notice = Notice(wording, title, mode, words, meeting.pk)
    if notice.units() > MOST_UNITS:
        raise BadWording(
            _("短信共%(units)s字,超过%(most)s字。") % {"units": notice.units(), "most": MOST_UNITS}
        )
    return notice


def compose_for(campaign: Campaign, mode: LinkMode) -> Notice:
    """The campaign's notice for gateways of this link mode; BadWording as in `compose`."""
    wording = campaign.wording if mode is LinkMode.PERSONAL else campaign.code_wording
    return compose(wording, campaign.meeting, kind=campaign.kind, mode=mode)


def mode_of(gateway: str) -> LinkMode:
    """How messages by this gateway lead to the vote; personal links unless its options differ."""
    return LinkMode(settings.GATEWAYS.get(gateway, {}).get("link_mode", "personal"))


def units(text: str) -> int:
    """The length that carriers count: UTF-16 units, two for a character beyond the first plane."""
    return len(text.encode("utf-16-le")) // 2


def segments(text: str) -> int:
    """How many messages the carrier counts and bills for this text: 70 units in one, 67 in each of
    several, and no character cut in two (voting_portal/gateways/dialect.py does the cutting).
    """
    if units(text) <= 70:
        return 1
    begun, room = 1, 67
    for character in text:
        needed = 2 if ord(character) > 0xFFFF else 1
        if needed > room:
            begun, room = begun + 1, 67
        room -= needed
    return begun


def segments_of(length: int, *, has_pairs: bool = False) -> int:
    """The same of any text so long, in units; at most, where a character of two units would have
    to be kept whole at the end of a message.
    """
    return 1 if length <= 70 else -(-length // (66 if has_pairs else 67))


def _check_wording(wording: str, *, kind: str, mode: LinkMode) -> None:
    signature = f"【{settings.SMS_SIGNATURE}】"
    if not wording.startswith(signature):
        raise BadWording(_("短信须以签名%(signature)s开头。") % {"signature": signature})
    if "【" in wording[1:] or "】" in wording[len(signature) :]:
        raise BadWording(_("除签名外,短信中不得出现【】。"))
    way = (LINK,) if mode is LinkMode.PERSONAL else (ADDRESS, CODE)
    known = (*MEETING_WORDS, NAME, *way)
    named = _BRACES.findall(wording)
    if unknown := sorted(set(named) - set(known)):
        words = {"unknown": "、".join(unknown), "known": "、".join(known)}
        raise BadWording(_("不认识变量“%(unknown)s”;可用的变量:%(known)s。") % words)
    if re.search(r"[{}]", _BRACES.sub("", wording)):
        raise BadWording(_("花括号不成对。"))
    needed = LINK if mode is LinkMode.PERSONAL else CODE if kind in _TO_VOTE else ""
    for name in (NAME, *way):
        if named.count(name) > 1 or (name == needed and name not in named):
            raise BadWording(_("变量{%(name)s}须出现且只出现一次。") % {"name": name})
    for name in {LINK, ADDRESS} & set(named):
        if not re.search(rf" \{{{name}\}}( |$)", wording):
            raise BadWording(_("变量{%(name)s}前后须各留一个空格。") % {"name": name})


def _check_words(words: Mapping[str, str]) -> None:
    for name, word in words.items():
        if re.search("[【】{}]", word):
            raise BadWording(
                _("变量“%(name)s”的内容含有【】或花括号,不能写入短信。") % {"name": name}
            )

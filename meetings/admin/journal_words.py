"""What the verbs of the journal say in a person's language; one that is not here says itself."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

# The kinds by which a meeting's journal is filtered: the first half of a verb.
KINDS = {
    "meeting": _("会议状态"),
    "agenda": _("议程"),
    "register": _("股东名册"),
    "list": _("名单导入"),
    "motion": _("回避表决"),
    "insider": _("董监高"),
    "insiders": _("名单确认"),
    "concert_party": _("一致行动人"),
    "holder": _("身份认定"),
    "institution": _("机构入口"),
    "link": _("换发链接"),
    "links": _("链接密钥"),
    "campaign": _("发送批次"),
    "votes": _("其他渠道投票"),
    "tally": _("计票"),
    "log": _("选票日志"),
    "result": _("结果下载"),
    "detail": _("明细下载"),
    "exceptions": _("例外下载"),
    "secrecy": _("保密"),
}
WORDS = {
    "meeting.prepared": _("新建会议"),
    "meeting.changed": _("修改会议"),
    "meeting.copied": _("从以往会议复制"),
    "meeting.draft": _("退回草稿"),
    "meeting.register_loaded": _("名册启用"),
    "meeting.motions_confirmed": _("确认议案"),
    "meeting.invited": _("开放投票链接"),
    "meeting.open": _("开始投票"),
    "meeting.closed": _("封存票箱"),
    "meeting.tallied": _("启封计票"),
    "meeting.certified": _("确认结果"),
    "meeting.published": _("公布结果"),
    "meeting.postponed": _("延期"),
    "meeting.cancelled": _("取消会议"),
    "agenda.imported": _("导入议案"),
    "register.received": _("收到股东名册"),
    "register.checked": _("名册通过检查"),
    "register.refused": _("名册未通过检查"),
    "register.approved": _("名册复核通过"),
    "register.discarded": _("弃用名册"),
    "list.taken": _("导入名单"),
    "list.refused": _("名单未通过检查"),
    "motion.recusal": _("登记回避表决"),
    "insider.named": _("登记董监高"),
    "concert_party.named": _("登记一致行动人"),
    "insiders.confirmed": _("确认董监高和一致行动人名单"),
    "holder.kind_decided": _("认定股东身份"),
    "institution.entry_opened": _("开通机构入口"),
    "institution.entered": _("使用机构入口"),
    "link.reissued": _("换发投票链接"),
    "links.renewed": _("更换链接密钥"),
    "links.ended": _("停用旧链接"),
    "campaign.planned": _("制定发送批次"),
    "campaign.approved": _("复核发送批次"),
    "campaign.started": _("开始发送"),
    "campaign.paused": _("暂停发送"),
    "campaign.resumed": _("继续发送"),
    "campaign.cancelled": _("取消发送"),
    "campaign.tried": _("试发"),
    "campaign.exported": _("导出发送记录"),
    "votes.imported": _("导入其他渠道投票"),
    "tally.asked": _("申请计票"),
    "tally.corrected": _("更正计票结果"),
    "log.cosigned": _("监票人签名"),
    "result.downloaded": _("下载表决结果"),
    "detail.downloaded": _("下载表决明细"),
    "exceptions.downloaded": _("下载例外清单"),
    "secrecy.attempt": _("截止前试图查看"),
}


def word_of(verb: str) -> str:
    """A verb in words, or as it is written."""
    return str(WORDS.get(verb, verb))

"""Files of motions (议案文件): a table as XLSX or CSV, or the exchanges' interchange XML.

A table has one row a motion. Only 议案名称 is needed; a blank number takes the next place. What is
wrong is said row by row, and a file with a fault gives no motion at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import IO

from django.utils.translation import gettext as _

from meetings.drafting import MotionDraft
from meetings.models import Motion, ShareClass
from meetings.register.chunks import Reader, WholeFile
from meetings.register.findings import Unreadable
from meetings.register.profiles import Layout
from meetings.register.text import TextReader
from meetings.register.xlsx import XlsxReader

LARGEST, MOST_MOTIONS = 2 << 20, 500  # bytes, rows
NUMBER = re.compile(r"([1-9]\d{0,2})(?:\.(\d{1,2}))?")

# field -> headers, the first as the template has it
HEADERS = {
    "number": ("序号", "议案序号", "议案编码"),
    "title": ("议案名称", "议案", "提案名称"),
    "kind": ("类型", "议案类型"),
    "threshold": ("决议类型",),
    "seats": ("应选人数",),
    "candidates": ("候选人",),
    "is_for_minority_count": ("中小投资者单独计票",),
    "is_dividend": ("现金分红分段统计",),
    "has_dual_threshold": ("须中小投资者三分之二同意",),
    "has_class_threshold": ("须各类别股东三分之二同意",),
    "is_one_share_one_vote": ("特别表决权按一股一票",),
    "exclusive_group": ("互斥组",),
    "share_classes": ("有权表决的股份类别",),
    "proposer": ("提案人",),
    "proposer_name": ("提案股东",),
    "board_opinion": ("董事会意见",),
}
KINDS = {
    "": Motion.Kind.PLAIN,
    "非累积投票议案": Motion.Kind.PLAIN,
    "非累积投票": Motion.Kind.PLAIN,
    "累积投票议案": Motion.Kind.CUMULATIVE,
    "累积投票": Motion.Kind.CUMULATIVE,
    "总标题": Motion.Kind.HEADING,
    "逐项表决的总标题": Motion.Kind.HEADING,
}
THRESHOLDS = {
    "": Motion.Threshold.ORDINARY,
    "普通决议": Motion.Threshold.ORDINARY,
    "普通": Motion.Threshold.ORDINARY,
    "特别决议": Motion.Threshold.SPECIAL,
    "特别": Motion.Threshold.SPECIAL,
}
PROPOSERS = {
    "": Motion.Proposer.BOARD,
    "董事会": Motion.Proposer.BOARD,
    "监事会": Motion.Proposer.SUPERVISORS,
    "审计委员会": Motion.Proposer.AUDITORS,
    "股东": Motion.Proposer.HOLDERS,
}
ANSWERS = {"": False, "否": False, "是": True, "√": True, "Y": True, "N": False}
FLAGS = (
    "is_for_minority_count",
    "is_dividend",
    "has_dual_threshold",
    "has_class_threshold",
    "is_one_share_one_vote",
)
OF_PLAIN_MOTIONS = ("is_dividend", "has_dual_threshold", "has_class_threshold", "exclusive_group")


@dataclass(frozen=True)
class MotionFault:
    """One thing wrong: `row` of the sheet or place in the XML from 1, 0 for the whole file."""

    row: int
    column: str
    value: str
    reason: str


@dataclass
class MotionFile:
    """What a file says: drafts in the order of the agenda, or what is wrong with it.

    `remarks` say what was left out and should be looked at.
    """

    drafts: list[MotionDraft] = field(default_factory=list)
    faults: list[MotionFault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def fault(self, row: int, column: str, reason: str, value: str = "") -> None:
        self.faults.append(MotionFault(row, column, value[:60], reason))

    def finished(self) -> MotionFile:
        """Sorted, judged as a whole, and without drafts when anything is wrong."""
        if not self.drafts and not self.faults:
            self.fault(0, "", _("文件没有任何议案。"))
        if self.faults:
            self.drafts = []
        self.drafts.sort(key=lambda draft: (draft.group, draft.item))
        return self


def read_table(file: IO[bytes], *, file_name: str) -> MotionFile:
    """The motions of an XLSX or CSV."""
    found = MotionFile()
    try:
        reader = _open(file, file_name, found)
        if reader is not None:
            _read(reader, found)
    except Unreadable as refusal:
        for finding in refusal.findings:
            found.fault(finding.line or 0, finding.column or "", finding.reason + finding.remedy)
    return found.finished()


def _open(file: IO[bytes], file_name: str, found: MotionFile) -> Reader | None:
    size = file.seek(0, 2)
    suffix = PurePath(file_name).suffix.lower()
    if size > LARGEST:
        found.fault(0, "", _("文件超过2MB：请只保留议案一张表。"))
    elif suffix == ".xlsx":
        return XlsxReader(WholeFile(file, size))
    elif suffix == ".csv":
        return TextReader(WholeFile(file, size), separator=",")
    else:
        found.fault(0, "", _("请上传XLSX、CSV或XML文件。"), file_name)
    return None


def _read(reader: Reader, found: MotionFile) -> None:
    columns = _recognise(reader.headers, found)
    if found.faults:
        return
    seen: dict[tuple[int, int], MotionDraft] = {}
    layout = Layout(tuple(reader.headers), columns, None, ())
    for chunk in reader.chunks(layout):
        for finding in chunk.findings:
            reason = finding.reason + finding.remedy
            found.fault(finding.line or 0, finding.column or "", reason, finding.value)
        for cells in chunk.frame.iter_rows(named=True):
            if len(seen) >= MOST_MOTIONS:
                found.fault(cells["line"], "", _("议案超过500项。"))
                return
            if (draft := _draft(cells, seen, found)) is not None:
                seen[draft.group, draft.item] = draft
                found.drafts.append(draft)
    judge_tree(seen, found)


def _recognise(headers: object, found: MotionFile) -> dict[str, int]:
    meant = {header: name for name, known in HEADERS.items() for header in known}
    columns: dict[str, int] = {}
    assert isinstance(headers, list)
    for at, header in enumerate(headers):
        if (name := meant.get(header.strip())) is None:
            if header.strip():
                found.remarks.append(_("未使用的列：%(header)s") % {"header": header.strip()[:30]})
        elif name in columns:
            found.fault(0, header, _("同一内容有两列，请删去一列。"))
        else:
            columns[name] = at
    if "title" not in columns:
        found.fault(0, HEADERS["title"][0], _("缺少这一列：第一行须是表头，可下载模板填写。"))
    return columns


def _draft(
    cells: Mapping[str, str], seen: Mapping[tuple[int, int], MotionDraft], found: MotionFile
) -> MotionDraft | None:
    """A row as a motion; None when something is wrong with it."""
    row = int(cells["line"])
    before = len(found.faults)
    values = {name: cells.get(name, "").strip() for name in HEADERS}

    def fault(name: str, reason: str) -> None:
        found.fault(row, HEADERS[name][0], reason, values[name])

    place = _place(values["number"], seen)
    if place is None:
        fault("number", _("序号写作1、1.00或2.01。"))
    elif place in seen:
        fault("number", _("序号重复。"))
    names = tuple(n.strip() for n in re.split(r"[\n、;\uff1b]", values["candidates"]) if n.strip())
    classes = tuple(c.strip() for c in re.split(r"[,\uff0c、]", values["share_classes"]) if c)
    kind = KINDS.get(values["kind"], Motion.Kind.PLAIN)
    if names and not values["kind"]:
        kind = Motion.Kind.CUMULATIVE
    for name, reason in (
        *_faults_of_words(values, classes),
        *_faults_of_kind(kind, values, names, place),
        *_faults_of_proposer(values),
    ):
        fault(name, reason)
    if len(found.faults) > before or place is None:
        return None
    return MotionDraft(
        group=place[0],
        item=place[1],
        title=values["title"],
        kind=kind,
        threshold=THRESHOLDS[values["threshold"]],
        seats=int(values["seats"]) if values["seats"] else None,
        candidates=names,
        share_classes=classes,
        exclusive_group=values["exclusive_group"],
        proposer=PROPOSERS[values["proposer"]],
        proposer_name=values["proposer_name"],
        board_opinion=values["board_opinion"],
        **{name: ANSWERS[values[name].upper()] for name in FLAGS},
    )


def _faults_of_words(
    values: Mapping[str, str], classes: Collection[str]
) -> Iterator[tuple[str, str]]:
    """What a row's cells hold that is none of the words that may stand there: column and reason."""
    if not 0 < len(values["title"]) <= 300:
        yield "title", _("须有名称，最多300个字。")
    of_words = (("kind", KINDS), ("threshold", THRESHOLDS), ("proposer", PROPOSERS))
    for name, words in of_words:
        if values[name] not in words:
            known = "、".join(str(word) for word in words if word)
            yield name, _("只能是：%(known)s。") % {"known": known}
    for name in FLAGS:
        if values[name].upper() not in ANSWERS:
            yield name, _("填“是”或“否”，留空为否。")
    if unknown := sorted(set(classes) - set(ShareClass.Code.values)):
        yield "share_classes", _("没有这个类别：%(unknown)s。") % {"unknown": "、".join(unknown)}


def _place(text: str, seen: Mapping[tuple[int, int], object]) -> tuple[int, int] | None:
    if not text:
        return max((group for group, _item in seen), default=0) + 1, 0
    match = NUMBER.fullmatch(text)
    return (int(match[1]), int(match[2] or 0)) if match else None


def _faults_of_kind(
    kind: str,
    values: Mapping[str, str],
    names: tuple[str, ...],
    place: tuple[int, int] | None,
) -> Iterator[tuple[str, str]]:
    """What does not go with the kind of motion: (field, reason) each."""
    seats = values["seats"]
    if kind == Motion.Kind.CUMULATIVE:
        if not (seats.isascii() and seats.isdigit() and 0 < int(seats) <= 99):
            yield "seats", _("累积投票议案须填写应选人数。")
        if place and place[1]:
            yield "number", _("累积投票议案占用整个序号，如4.00;4.01起为候选人。")
        if len(names) > 99 or any(len(name) > 60 for name in names):
            yield "candidates", _("最多99位候选人，姓名最多60个字。")
        if len(set(names)) < len(names):
            yield "candidates", _("有候选人重复。")
    else:
        if seats:
            yield "seats", _("只有累积投票议案有应选人数。")
        if names:
            yield "candidates", _("只有累积投票议案有候选人。")
    if kind != Motion.Kind.PLAIN:
        for name in OF_PLAIN_MOTIONS:
            if values[name] and values[name] not in ("否", "N"):
                yield name, _("只适用于非累积投票议案。")
    if len(values["exclusive_group"]) > 20:
        yield "exclusive_group", _("最多20个字。")


def _faults_of_proposer(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A name goes with holders only, an opinion with what the board did not propose itself."""
    proposer = PROPOSERS.get(values["proposer"])
    if (proposer == Motion.Proposer.HOLDERS) != bool(values["proposer_name"]):
        yield "proposer_name", _("提案人是股东时须填写提案股东，否则留空。")
    if proposer == Motion.Proposer.BOARD and values["board_opinion"]:
        yield "board_opinion", _("董事会自己的提案不填董事会意见。")
    for name, most in (("proposer_name", 120), ("board_opinion", 300)):
        if len(values[name]) > most:
            yield name, _("最多%(most)s个字。") % {"most": most}


def judge_tree(seen: Mapping[tuple[int, int], MotionDraft], found: MotionFile) -> None:
    """Motions voted one by one stand below a heading, and a heading has some below it."""
    for (group, item), draft in seen.items():
        above = seen.get((group, 0))
        if item and above and above.kind != Motion.Kind.HEADING:
            reason = _("上一级议案%(number)s须是“总标题”。") % {"number": above.number}
            found.fault(0, draft.number, reason, draft.title)
        if draft.kind == Motion.Kind.HEADING and not any(g == group and i for g, i in seen):
            found.fault(0, draft.number, _("总标题之下没有逐项表决的议案。"), draft.title)

"""Scenarios: a small meeting in a JSON file, its votes, and the tally that must come out.

A scenario runs through the real parts (the register's loading, the casting that the page calls, the
tally in the database) in a scratch meeting inside a transaction that is rolled back. The format is
described in docs/scenarios.md.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.results import recount
from ballots.rules import CannotCast
from meetings import lifecycle, polls
from meetings.agenda import Agenda, read_agenda
from meetings.keys import meeting_key
from meetings.models import (
    Candidate,
    Holding,
    Issuer,
    Meeting,
    MeetingKey,
    Motion,
    Register,
    ShareClass,
)
from meetings.preparing import prepare_meeting, recuse
from meetings.register.loading import approve_register, load_register
from meetings.register.records import account_index

BY, OTHER = "system:scenario", "system:scenario-checker"
COLUMNS = {
    "证券账户号码": "account",
    "一码通账户号码": "ymt",
    "持有人名称": "name",
    "证件类型": "id_type",
    "证件号码": "id_no",
    "证券类别": "class",
    "流通类型": "nature",
    "持有数量": "shares",
}
CLASS_WORDS = {"A": "A", "B": "B", "SVR": "特别表决权股", "PREF": "优先股"}
NATURE_WORDS = {"unrestricted": "无限售流通股", "restricted": "有限售条件流通股"}


class Unsupported(Exception):
    """The scenario asks for something that the portal does not do."""


def run_scenario(scenario: dict[str, Any]) -> dict[str, Any]:
    """Play it and compare: `{"name", "ok", "differences": [...], "result": {...}}`."""
    with transaction.atomic():
        try:
            result = _Run(scenario).play()
        finally:
            transaction.set_rollback(True)
    differences = list(_differences(scenario.get("expect", {}), result, ""))
    return {
        "name": scenario["name"],
        "ok": not differences,
        "differences": differences,
        "result": result,
    }


class _Run:
    def __init__(self, scenario: dict[str, Any]) -> None:
        self.scenario = scenario
        self.day = datetime.fromisoformat(scenario["meeting"]["date"]).replace(
            tzinfo=lifecycle.BEIJING
        )
        self.holders: dict[str, int] = {}  # the file's key -> holder id

    def play(self) -> dict[str, Any]:
        self.meeting = self._meeting()
        self._motions()
        register = self._register()
        self._recusals()
        self._open()
        agenda = read_agenda(self.meeting.pk)
        votes = sorted(self.scenario["votes"], key=lambda vote: (vote["at"], vote["seq"]))
        status = {str(vote["seq"]): self._vote(agenda, vote) for vote in votes}
        polls.seal(self.meeting)
        result = recount(self.meeting.pk)
        names = {holder: key for key, holder in self.holders.items()}
        for motion in result["motions"].values():
            for excluded in motion["excluded"]:
                excluded["holder"] = names[excluded["holder"]]
        return {
            "register": {
                "holders": register.holders,
                "accounts": register.accounts,
                "shares": register.shares,
            },
            "vote_status": status,
            **result,
        }

    def _meeting(self) -> Meeting:
        facts = self.scenario["meeting"]
        issuer, _made = Issuer.objects.get_or_create(
            security_code=facts["security_code"],
            defaults={"name": "情景股份有限公司", "short_name": "情景"},
        )
        unknown = self.scenario.get("policies", {}).keys() - {"ordinary_threshold", "pct_policy"}
        if unknown:
            raise Unsupported(f"policies {', '.join(sorted(unknown))}")
        meeting = Meeting.objects.create(
            issuer=issuer,
            title=facts["title"][:60],
            meeting_date=self.day.date(),
            record_date=facts["record_date"],
            polls_open_at=datetime.combine(self.day, lifecycle.POLLS_OPEN, lifecycle.BEIJING),
            polls_close_at=datetime.combine(self.day, lifecycle.POLLS_CLOSE, lifecycle.BEIJING),
            is_rehearsal=True,
            **self.scenario.get("policies", {}),
        )
        for number, (code, capital) in enumerate(facts["capital"].items()):
            ShareClass.objects.create(
                meeting=meeting,
                number=number,
                code=code,
                capital=capital,
                voteless_shares=facts.get("voteless_shares", {}).get(code, 0),
                votes_per_share=facts.get("votes_per_share", {}).get(code, 1),
            )
        prepare_meeting(meeting, by=BY, now=self.day)
        return meeting

    def _motions(self) -> None:
        asked = ["separate_count", "dividend", "exclusive_group", "dual_threshold"]
        asked += ["per_class_threshold", "one_share_one_vote"]
        for facts in self.scenario["motions"]:
            if wanted := [name for name in asked if facts.get(name)]:
                raise Unsupported(f"motion {facts['number']}: {', '.join(wanted)}")
            group, item = map(int, facts["number"].split("."))
            is_cumulative = facts["kind"] == "cumulative"
            motion = Motion.objects.create(
                meeting=self.meeting,
                group=group,
                item=item,
                title=facts["title"],
                kind=Motion.Kind.CUMULATIVE if is_cumulative else Motion.Kind.PLAIN,
                threshold=facts.get("resolution", "ordinary").upper(),
                seats=facts["seats"] if is_cumulative else None,
                share_classes=facts["classes"],
            )
            Candidate.objects.bulk_create(
                Candidate(motion=motion, item=int(row["number"].split(".")[1]), name=row["name"])
                for row in facts.get("candidates", [])
            )

    def _register(self) -> Register:
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(["证券代码", *COLUMNS])
        for row in self.scenario["register"]:
            words = {
                **row,
                "class": CLASS_WORDS[row["class"]],
                "nature": NATURE_WORDS.get(row.get("nature", ""), ""),
            }
            code = self.scenario["meeting"]["security_code"]
            writer.writerow([code, *(words.get(name, "") for name in COLUMNS.values())])
        loaded = load_register(
            self.meeting.pk,
            io.BytesIO(file.getvalue().encode()),
            file_name="register.csv",
            by=BY,
            now=self.day,
        )
        if loaded.state == Register.State.REFUSED:
            raise Unsupported(f"register refused: {loaded.errors}")
        key = meeting_key(self.meeting.pk, MeetingKey.Purpose.INDEX)
        register = approve_register(loaded.pk, by=OTHER, now=self.day)
        accounts = {
            bytes(index): holder
            for index, holder in Holding.objects.of_meeting(self.meeting.pk).values_list(
                "account_index", "holder_id"
            )
        }
        for row in self.scenario["register"]:
            self.holders[row["holder"]] = accounts[account_index(key, row["account"])]
        return register

    def _recusals(self) -> None:
        accounts = {row["holder"]: row for row in self.scenario["register"]}
        motions = {motion.number: motion for motion in self.meeting.motions.all()}
        for facts in self.scenario["motions"]:
            for holder in facts.get("recused", []):
                row = accounts[holder]
                recuse(
                    motions[facts["number"]],
                    account=row["account"],
                    name=row["name"],
                    by=BY,
                    now=self.day,
                )

    def _open(self) -> None:
        lifecycle.confirm_motions(self.meeting.pk, by=BY, now=self.day)
        lifecycle.invite(self.meeting.pk, by=OTHER, now=self.day)

    def _vote(self, agenda: Agenda, vote: dict[str, Any]) -> str:
        if vote["channel"] != "link" or "declared" in vote:
            raise Unsupported(f"vote {vote['seq']}: {vote['channel']}")
        entitlement = read_entitlement(self.holders[vote["holder"]], 0)
        assert entitlement is not None
        classes = {c.code: c for c in agenda.share_classes}
        share_class = classes[vote["class"]] if "class" in vote else agenda.share_classes[0]
        choices = {
            number: choice.upper() if isinstance(choice, str) else choice
            for number, choice in vote["votes"].items()
        }
        hours, minutes, seconds = vote["at"].split(":")
        at = self.day + timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
        try:
            cast_ballot(
                entitlement=entitlement,
                agenda=agenda,
                share_class=share_class.number,
                choices=choices,
                level=1,
                at=at,
            )
        except CannotCast as refusal:
            return f"rejected:{refusal.reason}"
        return "accepted"


def _differences(expected: Any, found: Any, where: str) -> Any:
    """Objects by the keys that are expected, everything else exactly."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            if key not in found:
                yield f"{where}/{key}: missing"
            else:
                yield from _differences(value, found[key], f"{where}/{key}")
    elif expected != found:
        yield f"{where}: expected {expected!r}, found {found!r}"

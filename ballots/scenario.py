"""Scenarios: a small meeting in a JSON file, its votes, and the tally that must come out.

A scenario runs through the real parts (the register's loading, the casting that the page calls, the
tally in the database) in a scratch meeting inside a transaction that is rolled back. The format is
described in docs/scenarios.md.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.importing import import_votes
from ballots.models import Channel, OtherVote
from ballots.opening import recount
from ballots.rules import CannotCast
from ballots.scenario_votes import as_choice, as_vote_file
from meetings import dates, lifecycle, polls
from meetings.agenda import Agenda, read_agenda
from meetings.keys import meeting_key
from meetings.models import (
    POLICIES,
    Candidate,
    Holder,
    Holding,
    Issuer,
    Meeting,
    MeetingKey,
    Motion,
    Register,
    ShareClass,
)
from meetings.preparing import (
    confirm_insiders,
    decide_kind,
    name_concert_party,
    name_insider,
    prepare_meeting,
    recuse,
)
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
        self._kinds()
        self._lists()
        self._open()
        agenda = read_agenda(self.meeting.pk)
        votes = self.scenario["votes"]
        own = [vote for vote in votes if vote["channel"] == "link"]
        own.sort(key=lambda vote: (vote["at"], vote["seq"]))
        status = {str(vote["seq"]): self._vote(agenda, vote) for vote in own}
        self._close()
        for channel in Channel:
            self._import(channel, [v for v in votes if v["channel"].upper() == channel])
        for seq, reasons in OtherVote.objects.of_meeting(self.meeting.pk).values_list(
            "seq", "reasons"
        ):
            status[str(seq)] = f"flagged:{reasons[0]}" if reasons else "accepted"
        return {
            "register": {
                "holders": register.holders,
                "accounts": register.accounts,
                "shares": register.shares,
            },
            "vote_status": status,
            **self._named(recount(self.meeting.pk)),
        }

    def _named(self, result: dict[str, Any]) -> dict[str, Any]:
        """The result with the file's own keys for holders, and votes by their number alone."""
        keys = {holder: key for key, holder in self.holders.items()}
        for motion in result["motions"].values():
            for excluded in motion["excluded"]:
                excluded["holder"] = keys[excluded["holder"]]
            motion["excluded"].sort(key=lambda excluded: excluded["holder"])
            for invalid in motion.get("invalid_ballots", ()):
                del invalid["channel"]
        for superseded in result["superseded"]:
            del superseded["channel"]
        return result

    def _meeting(self) -> Meeting:
        facts = self.scenario["meeting"]
        issuer, _made = Issuer.objects.get_or_create(
            security_code=facts["security_code"],
            defaults={"name": "情景股份有限公司", "short_name": "情景"},
        )
        policies = dict(_policies(self.scenario.get("policies", {})))
        meeting = Meeting.objects.create(
            issuer=issuer,
            title=facts["title"][:60],
            meeting_date=self.day.date(),
            record_date=facts["record_date"],
            polls_open_at=dates.lawful_opening(self.day.date(), policies.get("prevote")),
            polls_close_at=datetime.combine(self.day, dates.POLLS_CLOSE, lifecycle.BEIJING),
            is_rehearsal=True,
            onsite_vote_start=time.fromisoformat(facts.get("onsite_vote_start", "14:00:00")),
            closing_price=Decimal(facts["closing_price"]) if facts.get("closing_price") else None,
            **policies,
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
        for facts in self.scenario["motions"]:
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
                is_for_minority_count=facts.get("separate_count", False),
                is_dividend=facts.get("dividend", False),
                exclusive_group=str(facts.get("exclusive_group") or ""),
                has_dual_threshold=facts.get("dual_threshold", False),
                has_class_threshold=facts.get("per_class_threshold", False),
                is_one_share_one_vote=facts.get("one_share_one_vote", False),
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

    def _kinds(self) -> None:
        """Where the file says something else than the names of the register do."""
        wanted = dict.fromkeys(self.scenario.get("nominees", ()), Holder.Kind.NOMINEE)
        wanted |= dict.fromkeys(self.scenario.get("voteless", ()), Holder.Kind.VOTELESS)
        kinds = dict(Holder.objects.of_meeting(self.meeting.pk).values_list("id", "kind"))
        for key, holder in self.holders.items():
            usual = (Holder.Kind.INDIVIDUAL, Holder.Kind.INSTITUTION)
            now = Holder.Kind(kinds[holder])
            kind = wanted.get(key, now if now in usual else Holder.Kind.INSTITUTION)
            if kind != now:
                decide_kind(self.meeting.pk, kind=kind, **self._listed(key))

    def _lists(self) -> None:
        motions = {motion.number: motion for motion in self.meeting.motions.all()}
        for facts in self.scenario["motions"]:
            for holder in facts.get("recused", []):
                recuse(motions[facts["number"]], **self._listed(holder))
        for holder in self.scenario.get("insiders", []):
            name_insider(self.meeting.pk, **self._listed(holder))
        for group, holders in enumerate(self.scenario.get("concert_groups", []), start=1):
            for holder in holders:
                name_concert_party(self.meeting.pk, group=group, **self._listed(holder))
        confirm_insiders(self.meeting.pk, by=BY, now=self.day)

    def _listed(self, holder: str) -> dict[str, Any]:
        """How a list of the meeting names a holder of the file."""
        row = next(row for row in self.scenario["register"] if row["holder"] == holder)
        return {"account": row["account"], "name": row["name"], "by": BY, "now": self.day}

    def _open(self) -> None:
        lifecycle.confirm_motions(self.meeting.pk, by=BY, now=self.day)
        lifecycle.invite(self.meeting.pk, by=OTHER, now=self.day)

    def _close(self) -> None:
        sealed_at = polls.seal(Meeting.objects.get(pk=self.meeting.pk))
        closed, invited = Meeting.State.CLOSED, Meeting.State.INVITED
        lifecycle.advance(self.meeting.pk, closed, since=[invited], by=BY, now=sealed_at)

    def _vote(self, agenda: Agenda, vote: dict[str, Any]) -> str:
        """Cast one vote of our own page; its status."""
        entitlement = read_entitlement(self.holders[vote["holder"]], 0)
        assert entitlement is not None
        classes = {c.code: c for c in agenda.share_classes}
        share_class = classes[vote["class"]] if "class" in vote else agenda.share_classes[0]
        hours, minutes, seconds = vote["at"].split(":")
        whole, _point, fraction = seconds.partition(".")
        at = self.day + timedelta(
            hours=int(hours),
            minutes=int(minutes),
            seconds=int(whole),
            microseconds=int(fraction.ljust(6, "0")),
        )
        try:
            cast_ballot(
                entitlement=entitlement,
                agenda=agenda,
                share_class=share_class.number,
                choices={number: as_choice(choice) for number, choice in vote["votes"].items()},
                level=1,
                declared=vote.get("declared"),
                at=at,
                seq=vote["seq"],
            )
        except CannotCast as refusal:
            return f"rejected:{refusal.reason}"
        return "accepted"

    def _import(self, channel: Channel, votes: list[dict[str, Any]]) -> None:
        if not votes:
            return
        first_class = next(iter(self.scenario["meeting"]["capital"]))
        import_votes(
            self.meeting.pk,
            io.BytesIO(as_vote_file(votes, first_class=first_class)),
            file_name="votes.csv",
            channel=channel,
            by=BY,
            now=self.day,
        )


def _policies(given: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Policies by their names, with values in capitals; `off` and false mean the same."""
    for name, value in given.items():
        if name not in POLICIES:
            raise Unsupported(f"policy {name}; there are {', '.join(POLICIES)}")
        choices = [choice for choice, _label in POLICIES[name].choices or ()]
        if {"ON", "OFF"} == set(choices) and isinstance(value, bool):
            value = "ON" if value else "OFF"  # noqa: PLW2901
        if choices:
            value = str(value).upper()  # noqa: PLW2901
        if value not in (choices or (True, False)):
            raise Unsupported(f"policy {name} {value}; there are {', '.join(choices)}")
        yield name, value


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

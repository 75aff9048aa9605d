"""The log of a scenario (docs/scenarios.md), with the result that the portal announced for it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from ballot_verifier import documents, judging
from ballot_verifier.judging import Holder, Vote
from tests.verifier import writer
from tests.verifier.writer import Book, record, voter

FLAGS = {
    "is_for_minority_count": "separate_count",
    "is_dividend": "dividend",
    "has_dual_threshold": "dual_threshold",
    "has_class_threshold": "per_class_threshold",
    "is_one_share_one_vote": "one_share_one_vote",
}


class ScenarioBook:
    """`book` is the log; `flags` the first flag that each vote of another channel has by it."""

    def __init__(self, scenario: dict[str, Any], result: dict[str, Any]) -> None:
        self.scenario, self.result = scenario, result
        self.day = datetime.fromisoformat(scenario["meeting"]["date"])
        self.first_class = next(iter(scenario["meeting"]["capital"]))
        self.flags: dict[str, str] = {}
        agenda = self._agenda()
        self.agenda = documents.read_agenda(agenda)
        self.book = Book(agenda=agenda, holders=list(self._holders()), polls=self.agenda.polls)
        self.book.lists |= {
            "recusals": {
                m["number"]: sorted({voter(holder) for holder in m["recused"]})
                for m in scenario["motions"]
                if m.get("recused")
            },
            "insiders": sorted({voter(holder) for holder in scenario.get("insiders", [])}),
            "concert_parties": {
                str(number): sorted({voter(holder) for holder in group})
                for number, group in enumerate(scenario.get("concert_groups", []), 1)
            },
        }
        self._ballots()
        self._others()
        self.book.totals = self._totals()

    def _agenda(self) -> dict[str, Any]:
        meeting = self.scenario["meeting"]
        classes = {
            code: {
                "capital": capital,
                "voteless_shares": meeting.get("voteless_shares", {}).get(code, 0),
                "votes_per_share": meeting.get("votes_per_share", {}).get(code, 1),
            }
            for code, capital in meeting["capital"].items()
        }
        policies = {"closing_price": meeting.get("closing_price") or None}
        document = writer.agenda(
            [self._motion(motion) for motion in self.scenario["motions"]],
            classes=classes,
            policies=policies | self.scenario.get("policies", {}),
        )
        document["meeting"]["meeting_date"] = meeting["date"]
        return document

    def _motion(self, facts: dict[str, Any]) -> dict[str, Any]:
        return {
            "number": facts["number"],
            "kind": facts["kind"].upper(),
            "threshold": facts.get("resolution", "ordinary").upper(),
            "share_classes": sorted(facts["classes"]),
            "seats": facts.get("seats") or 0,
            "candidates": facts.get("candidates", []),
            "exclusive_group": str(facts.get("exclusive_group") or ""),
            **{ours: facts.get(name, False) for ours, name in FLAGS.items()},
        }

    def _holders(self) -> Iterator[tuple[str, str, dict[str, int]]]:
        held: dict[str, dict[str, int]] = {}
        for row in self.scenario["register"]:
            shares = held.setdefault(row["holder"], {})
            shares[row["class"]] = shares.get(row["class"], 0) + row["shares"]
        self.held = held
        for name, shares in held.items():
            ordered = {c: shares[c] for c in self.scenario["meeting"]["capital"] if c in shares}
            yield voter(name), self._kind(name), ordered

    def _kind(self, name: str) -> str:
        if name in self.scenario.get("nominees", []):
            return "N"
        return "V" if name in self.scenario.get("voteless", []) else "I"

    def _ballots(self) -> None:
        votes = [vote for vote in self.scenario["votes"] if vote["channel"] == "link"]
        for vote in sorted(votes, key=lambda vote: (vote["at"], vote["seq"])):
            if self.result["vote_status"][str(vote["seq"])] == "accepted":
                share_class = vote.get("class", self.first_class)
                self.book.cast(
                    vote["holder"],
                    dict(_answers(vote["votes"])),
                    shares=vote.get("declared", self.held[vote["holder"]].get(share_class, 0)),
                    share_class=share_class,
                    at=self._time(vote["at"]),
                    seq=vote["seq"],
                )

    def _others(self) -> None:
        recused = documents.read_lists(self.book.lists, self.agenda).recused
        accounts = {row["account"]: row["holder"] for row in self.scenario["register"]}
        for row, vote in enumerate(v for v in self.scenario["votes"] if v["channel"] != "link"):
            name, share_class = accounts.get(vote["account"]), vote.get("class", self.first_class)
            holder = name and Holder(
                self._kind(name), self.held[name], recused.get(voter(name), frozenset())
            )
            choices = dict(_answers(vote["votes"]))
            given = Vote(
                channel=vote["channel"].upper(),
                share_class=share_class,
                at=self._time(vote["at"]) if "at" in vote else self._time_on_site(),
                seq=vote["seq"],
                index=0,
                choices=choices,
                declared=vote.get("declared"),
            )
            judged = judging.judge_other_vote(self.agenda, holder or None, given)
            self.flags[str(vote["seq"])] = (judged.flags or ("",))[0]
            self.book.others.append(
                record(
                    "other",
                    ("file", "cd" * 32),
                    ("channel", given.channel),
                    ("row", row + 2),
                    ("voter", voter(name) if name else "-"),
                    ("class", share_class),
                    ("shares", self.held[name].get(share_class, 0) if name else 0),
                    ("declared", "-" if given.declared is None else given.declared),
                    ("votes", writer.votes_text(choices)),
                    ("at", given.at),
                    ("seq", given.seq),
                    ("effect", judged.effect),
                    ("reasons", " ".join(judged.flags) or "-"),
                    ("invalid", ";".join(f"{n}={r}" for n, r in judged.invalid.items()) or "-"),
                )
            )

    def _time(self, at: str) -> str:
        hours, minutes, seconds = at.split(":")
        clock = timedelta(hours=int(hours) - 8, minutes=int(minutes), seconds=float(seconds))
        return f"{self.day + clock:%Y-%m-%dT%H:%M:%S.%fZ}"

    def _time_on_site(self) -> str:
        """When an on-site vote without a time was cast, by the policy."""
        start = self.scenario["meeting"].get("onsite_vote_start", "14:00:00.000")
        opening, close = self.agenda.polls
        return {
            "ONSITE_VOTE_START": self._time(start),
            "POLLS_OPEN": opening,
            "POLLS_CLOSE": close,
        }[str(self.agenda.policies["onsite_time_default"])]

    def _totals(self) -> dict[str, Any]:
        motions = copy.deepcopy(self.result["motions"])
        for motion in motions.values():
            motion.pop("invalid_ballots", None)
            motion["excluded"] = sorted(
                (
                    {"voter": voter(e["holder"]), "reason": e["reason"], "votes": e["votes"]}
                    for e in motion["excluded"]
                ),
                key=lambda excluded: (excluded["voter"], excluded["reason"]),
            )
        return {
            "format": "ballot-log/v1 totals",
            "attendance": self.result["attendance"],
            "motions": motions,
        }


def _answers(votes: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """As votes are stored: without candidates or groups that were given nothing."""
    for number, choice in votes.items():
        if isinstance(choice, str):
            yield number, choice.upper()
        elif choice.keys() & {"for", "against", "abstain"}:
            yield (
                number,
                {name.upper(): choice.get(name, 0) for name in ("for", "against", "abstain")},
            )
        elif given := {c: votes for c, votes in choice.items() if votes}:
            yield number, given

"""A recount by hand: the rules of a scenario applied vote by vote, slowly and in plain Python.

It shares no code with the portal and is written from docs/scenarios.md alone, so that what the
database adds up can be compared with something that is easy to read.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

ORDINARY = ("A", "B", "SVR")
TRADING_HOURS = (("09:15", "09:25"), ("09:30", "11:30"), ("13:00", "15:00"))
POLICIES = {
    "ordinary_threshold": "GT_HALF",
    "election_threshold": "GT_HALF",
    "invalid_occupies_slot": True,
    "pct_policy": "SSE_TRUNC_RESIDUAL",
    "exclusive_policy": "ABSTAIN_ALL",
    "first_vote_scope": "MOTION",
    "onsite_time_default": "ONSITE_VOTE_START",
    "partial_missing_as": "ABSTAIN",
    "cumulative_base": "PRESENT_SHARES",
    "cumulative_overflow": "INVALID_GROUP",
    "cumulative_too_many_candidates": "INVALID_GROUP",
    "nominee_sum_rule": "EQUAL_DECLARED",
    "sm_threshold": "GE_5_OR_INSIDER",
    "seg_bounds": "LOWER_INCLUDED",
    "prevote": "OFF",
}


def printed(units):
    return f"{units // 10_000}.{units % 10_000:04d}"


class Recount:
    def __init__(self, scenario):
        self.scenario = scenario
        facts = scenario["meeting"]
        self.capital = facts["capital"]
        self.classes = list(self.capital)
        self.voteless_shares = facts.get("voteless_shares", {})
        self.per_share = facts.get("votes_per_share", {})
        self.onsite_start = facts["onsite_vote_start"]
        self.price = Fraction(facts["closing_price"])
        self.policies = POLICIES | scenario.get("policies", {})
        opening = "09:15:00.000" if self.policies["prevote"] == "OFF" else "00:00:00.000"
        self.opening = opening
        self.motions = {motion["number"]: motion for motion in scenario["motions"]}
        self.shares = defaultdict(int)  # (holder, class)
        self.owner = {}
        for row in scenario["register"]:
            self.shares[row["holder"], row["class"]] += row["shares"]
            self.owner[row["account"]] = row["holder"]
        self.holders = sorted(set(self.owner.values()))
        self.nominees = set(scenario["nominees"])
        self.voteless = set(scenario["voteless"])
        self.status = {}
        self.stored = []  # votes that hold places: dicts
        self.admitted = {}  # (holder, class) -> shares by the first admission
        self.invalid = defaultdict(list)
        self.cast = set()

    # --- small facts

    def voted_on_by(self, share_class):
        return [m for m in self.motions.values() if share_class in m["classes"]]

    def multiple(self, motion, share_class):
        if motion is not None and motion.get("one_share_one_vote"):
            return 1
        return self.per_share.get(share_class, 1)

    def said(self, vote):
        """What a vote says: motions named, groups with a vote above 0."""
        said = {}
        for number, choice in vote["votes"].items():
            if self.motions[number]["kind"] == "cumulative":
                given = {c: n for c, n in choice.items() if n}
                if given:
                    said[number] = given
            else:
                said[number] = choice
        return said

    def recused(self, holder, number):
        return holder in self.motions[number].get("recused", [])

    def time_of(self, vote):
        if "at" in vote:
            return vote["at"]
        return {
            "ONSITE_VOTE_START": self.onsite_start,
            "POLLS_OPEN": "09:15:00.000" if self.policies["prevote"] == "OFF" else "",
            "POLLS_CLOSE": "15:00:00.000",
        }[self.policies["onsite_time_default"]]

    # --- judging votes

    def play(self):
        votes = self.scenario["votes"]
        for vote in sorted(votes, key=lambda v: (self.time_of(v), v["seq"])):
            if vote["channel"] == "link":
                self.take(vote)
        for vote in votes:
            if vote["channel"] != "link":
                self.take_import(vote)

    def problems(self, vote, holder, share_class):
        """Rules of numbers that both page and import judge: (reason, group or None)."""
        shares = self.shares[holder, share_class]
        said, declared = self.said(vote), vote.get("declared")
        is_nominee = holder in self.nominees
        found = []
        split = [
            n for n, c in said.items() if isinstance(c, dict) and self.motions[n]["kind"] == "plain"
        ]
        if not is_nominee and (declared is not None or split):
            found.append(("NOT_A_NOMINEE", None))
        if is_nominee and declared > shares:
            found.append(("OVER_HOLDING", None))
        if is_nominee and any(self.splits_wrongly(said[n], declared) for n in split):
            found.append(("SUM_MISMATCH", None))
        for number, choice in said.items():
            motion = self.motions[number]
            if motion["kind"] != "cumulative":
                continue
            limit = (shares if declared is None else declared) * motion["seats"]
            if sum(choice.values()) > limit * self.multiple(motion, share_class):
                found.append(("OVER_LIMIT", number))
            elif (
                not is_nominee
                and self.policies["cumulative_too_many_candidates"] != "AS_CAST"
                and len(motion["candidates"]) > motion["seats"]
                and len(choice) > motion["seats"]
            ):
                found.append(("TOO_MANY_CANDIDATES", number))
        if not is_nominee:
            agreed = defaultdict(int)
            for number, choice in said.items():
                group = self.motions[number].get("exclusive_group")
                if group and choice == "for" and not self.recused(holder, number):
                    agreed[group] += 1
            if any(count > 1 for count in agreed.values()):
                found.append(("EXCLUSIVE", None))
        return found

    def splits_wrongly(self, split, declared):
        if self.policies["nominee_sum_rule"] == "AT_MOST_DECLARED":
            return sum(split.values()) > declared
        return sum(split.values()) != declared

    def take(self, vote):
        holder, share_class = vote["holder"], vote.get("class", self.classes[0])
        refusal = self.refusal(vote, holder, share_class)
        self.status[vote["seq"]] = f"rejected:{refusal}" if refusal else "accepted"
        if refusal:
            return
        self.cast.add((holder, share_class))
        self.store(vote, holder, share_class, {})

    def refusal(self, vote, holder, share_class):
        if vote["at"] < self.opening:
            return "TOO_EARLY"
        if vote["at"] > "15:00:00.000":
            return "TOO_LATE"
        motions = self.voted_on_by(share_class)
        if holder in self.voteless or not self.shares[holder, share_class] or not motions:
            return "NO_VOTES"
        if all(self.recused(holder, m["number"]) for m in motions):
            return "RECUSED_ONLY"
        if (holder, share_class) in self.cast:
            return "ALREADY_VOTED"
        said = self.said(vote)
        missing = any(
            m["kind"] == "plain" and m["number"] not in said
            for m in motions
            if not self.recused(holder, m["number"])
        )
        says_nothing = not any(
            isinstance(choice, str) or any(choice.values()) for choice in said.values()
        )
        reasons = [reason for reason, _group in self.problems(vote, holder, share_class)]
        if missing or says_nothing:
            reasons.append("INCOMPLETE")
        order = ["NOT_A_NOMINEE", "OVER_HOLDING", "INCOMPLETE", "SUM_MISMATCH", "OVER_LIMIT"]
        order += ["TOO_MANY_CANDIDATES", "EXCLUSIVE"]
        return min(reasons, key=order.index, default=None)

    def take_import(self, vote):
        share_class = vote.get("class", self.classes[0])
        holder = self.owner.get(vote["account"])
        late = self.is_late(vote)
        if holder is None:
            self.status[vote["seq"]] = "flagged:NOT_ON_REGISTER"
            return
        if holder in self.voteless or not self.shares[holder, share_class]:
            self.status[vote["seq"]] = "flagged:NO_VOTES"
            if self.shares[holder, share_class]:
                self.store(vote, holder, share_class, {})
            return
        problems = self.problems(vote, holder, share_class)
        reasons = [reason for reason, _group in problems]
        if any(self.recused(holder, number) for number in self.said(vote)):
            reasons.append("RECUSED")
        if late:
            reasons.append("OUTSIDE_WINDOW")
        order = [
            "NOT_A_NOMINEE",
            "OVER_HOLDING",
            "SUM_MISMATCH",
            "OVER_LIMIT",
            "TOO_MANY_CANDIDATES",
        ]
        order += ["EXCLUSIVE", "RECUSED", "OUTSIDE_WINDOW"]
        first = min(reasons, key=order.index, default=None)
        self.status[vote["seq"]] = f"flagged:{first}" if first else "accepted"
        is_void = bool({"NOT_A_NOMINEE", "OVER_HOLDING", "SUM_MISMATCH"} & set(reasons))
        if vote["channel"] == "onsite" and not (is_void and holder in self.nominees):
            self.admit(vote, holder, share_class)
        if is_void:
            return
        groups = {group: reason for reason, group in problems if group}
        for group, reason in groups.items():
            self.invalid[group].append({"seq": vote["seq"], "reason": reason})
        self.store(vote, holder, share_class, groups)

    def admit(self, vote, holder, share_class):
        key = holder, share_class
        entry = (self.time_of(vote), vote["seq"], vote.get("declared"))
        self.admitted[key] = min(self.admitted.get(key, entry), entry)

    def is_late(self, vote):
        at = self.time_of(vote)
        if vote["channel"] == "internet":
            return not "09:15:00.000" <= at <= "15:00:00.000"
        if vote["channel"] == "trading":
            return not any(f"{a}:00.000" <= at <= f"{b}:00.000" for a, b in TRADING_HOURS)
        return False

    def store(self, vote, holder, share_class, invalid):
        for number, choice in self.said(vote).items():
            policy = {
                "OVER_LIMIT": "cumulative_overflow",
                "TOO_MANY_CANDIDATES": "cumulative_too_many_candidates",
            }.get(invalid.get(number))
            abstains = policy and self.policies[policy] == "ABSTAIN"
            is_invalid = bool(policy) and not abstains
            if is_invalid and not self.policies["invalid_occupies_slot"]:
                continue
            self.stored.append(
                {
                    "order": (self.time_of(vote), vote["seq"]),
                    "seq": vote["seq"],
                    "holder": holder,
                    "class": share_class,
                    "motion": number,
                    "choice": {} if abstains else choice,
                    "is_valid": not is_invalid,
                    "declared": vote.get("declared"),
                }
            )

    # --- what counts

    def sort_out(self):
        self.places, self.superseded = {}, []
        agenda = list(self.motions)
        first_votes = {}  # (holder, class) -> number and time of the first vote that says something
        for part in sorted(self.stored, key=lambda p: p["order"]):
            first_votes.setdefault((part["holder"], part["class"]), part["order"])
        for part in sorted(self.stored, key=lambda p: (p["order"], agenda.index(p["motion"]))):
            key = part["holder"], part["class"], part["motion"]
            is_late = part["order"] != first_votes[key[:2]]
            is_whole = self.policies["first_vote_scope"] == "BALLOT"
            if key in self.places or (is_whole and is_late):
                self.superseded.append({"seq": part["seq"], "motion": part["motion"]})
            else:
                self.places[key] = part
        self.superseded.sort(key=lambda s: (s["seq"], agenda.index(s["motion"])))
        self.excluded = {
            number: sorted(
                {
                    holder
                    for (holder, _class, motion) in self.places
                    if motion == number
                    and (holder in self.voteless or self.recused(holder, number))
                }
            )
            for number in self.motions
        }
        self.judge_exclusive()
        self.present = {}
        for holder in self.holders:
            for share_class in self.classes:
                shares = self.presence(holder, share_class)
                if shares is not None:
                    self.present[holder, share_class] = shares

    def parts_of(self, holder, share_class):
        return [p for (h, c, _m), p in self.places.items() if (h, c) == (holder, share_class)]

    def presence(self, holder, share_class):
        if holder in self.voteless:
            return None
        events = [
            (*p["order"], p["declared"])
            for p in self.parts_of(holder, share_class)
            if p["is_valid"]
        ]
        if (holder, share_class) in self.admitted:
            events.append(self.admitted[holder, share_class])
        if not events:
            return None
        if holder in self.nominees:
            parts = self.parts_of(holder, share_class)
            splits = [p["choice"] for p in parts if self.motions[p["motion"]]["kind"] == "plain"]
            return max([min(events)[2], *(sum(split.values()) for split in splits)])
        return self.shares[holder, share_class]

    def judge_exclusive(self):
        policy = self.policies["exclusive_policy"]
        agenda = list(self.motions)
        groups = {m.get("exclusive_group") for m in self.motions.values()} - {None}
        for group in groups:
            numbers = [n for n, m in self.motions.items() if m.get("exclusive_group") == group]
            for holder in self.holders:
                if holder in self.nominees or holder in self.voteless:
                    continue
                for share_class in self.classes:
                    parts = [
                        p
                        for p in self.parts_of(holder, share_class)
                        if p["motion"] in numbers and not self.recused(holder, p["motion"])
                    ]
                    agreed = [p for p in parts if p["choice"] == "for"]
                    if len(agreed) < 2:
                        continue
                    agreed.sort(key=lambda p: (p["order"], agenda.index(p["motion"])))
                    if policy == "ABSTAIN_ALL":
                        for part in parts:
                            part["choice"] = "abstain"
                    elif policy == "INVALID_ALL":
                        for part in parts:
                            part["is_valid"] = False
                    elif policy == "FIRST_AGREE":
                        for part in agreed[1:]:
                            part["choice"] = "abstain"

    # --- counting

    def count(self, motion, holders_of):
        """(for, against, abstain) in votes of the holders and classes that count here."""
        tally = [0, 0, 0]
        for (holder, share_class), shares in self.present.items():
            if share_class not in motion["classes"] or self.recused(holder, motion["number"]):
                continue
            if not holders_of(holder, share_class):
                continue
            part = self.places.get((holder, share_class, motion["number"]))
            if self.leaves_the_base(motion, holder, share_class, part):
                continue
            multiple = self.multiple(motion, share_class)
            choice = part["choice"] if part and part["is_valid"] else "abstain"
            if isinstance(choice, dict):
                in_favour, against = choice.get("for", 0), choice.get("against", 0)
            else:
                in_favour = shares if choice == "for" else 0
                against = shares if choice == "against" else 0
            tally[0] += in_favour * multiple
            tally[1] += against * multiple
            tally[2] += (shares - in_favour - against) * multiple
        return tuple(tally)

    def leaves_the_base(self, motion, holder, share_class, part):
        """By policies, who has no valid vote here: of an election all of them, of a plain motion
        those who were not admitted to the hall."""
        if part and part["is_valid"]:
            return False
        if motion["kind"] == "cumulative":
            return self.policies["cumulative_base"] == "VOTED_SHARES"
        is_admitted = (holder, share_class) in self.admitted
        return self.policies["partial_missing_as"] == "ABSENT" and not is_admitted

    def figures(self, counts):
        total = sum(counts)
        if self.policies["pct_policy"] == "HALF_UP" or not total:
            units = [self.half_up(n, total) for n in counts]
        else:
            units = [n * 1_000_000 // total for n in counts]
            last = max(i for i, n in enumerate(counts) if n)
            units[last] = 1_000_000 - sum(u for i, u in enumerate(units) if i != last)
        names = ("for", "against", "abstain")
        return dict(zip(names, counts, strict=True)) | {
            f"{name}_pct": printed(u) for name, u in zip(names, units, strict=True)
        }

    def half_up(self, part, base):
        return int(Fraction(part * 1_000_000, base) + Fraction(1, 2)) if base else 0

    def ratio(self, part, base):
        if self.policies["pct_policy"] == "HALF_UP":
            return printed(self.half_up(part, base))
        return printed(part * 1_000_000 // base if base else 0)

    def ordinary_shares(self, holder):
        return sum(self.shares[holder, c] for c in ORDINARY)

    def is_large(self, shares, percent, is_included):
        capital = sum(self.capital.get(c, 0) for c in ORDINARY)
        if is_included:
            return 100 * shares >= percent * capital
        return 100 * shares > percent * capital

    def is_minority(self, holder, share_class):
        policy = self.policies["sm_threshold"]
        if share_class not in ORDINARY:
            return False
        if holder in self.scenario["insiders"] and policy != "GE_5":
            return False
        groups = [g for g in self.scenario["concert_groups"] if holder in g]
        sums = [sum(self.ordinary_shares(h) for h in set(g)) for g in groups]
        is_included = policy != "GT_5_OR_INSIDER"
        return not any(
            self.is_large(s, 5, is_included) for s in [self.ordinary_shares(holder), *sums]
        )

    def segment(self, holder):
        shares = self.ordinary_shares(holder)
        is_included = self.policies["seg_bounds"] == "LOWER_INCLUDED"
        if self.is_large(shares, 5, is_included):
            return {"ge5"}
        if self.is_large(shares, 1, is_included):
            return {"1to5"}
        value = self.shares[holder, "A"] * self.price
        is_small = value < 500_000 if is_included else value <= 500_000
        return {"lt1", "lt1_small" if is_small else "lt1_large"}

    def result(self):
        self.play()
        self.sort_out()
        motions = {}
        for number, motion in self.motions.items():
            count = self.election if motion["kind"] == "cumulative" else self.plain
            motions[number] = count(motion)
            motions[number]["excluded"] = [
                {
                    "holder": holder,
                    "reason": "VOTELESS" if holder in self.voteless else "RECUSED",
                    "votes": self.excluded_votes(holder, motion),
                }
                for holder in self.excluded[number]
            ]
        for group in {m.get("exclusive_group") for m in self.motions.values()} - {None}:
            passed = [
                motions[n]
                for n, m in self.motions.items()
                if m.get("exclusive_group") == group and motions[n]["outcome"] == "passed"
            ]
            for result in passed if len(passed) > 1 else []:
                result["outcome"] = "conflict"
        return {
            "register": {
                "holders": len(self.holders),
                "accounts": len(self.owner),
            },
            "vote_status": {str(seq): status for seq, status in self.status.items()},
            "superseded": self.superseded,
            "attendance": self.attendance(),
            "motions": motions,
        }

    def excluded_votes(self, holder, motion):
        votes = 0
        for share_class in self.classes:
            part = self.places.get((holder, share_class, motion["number"]))
            if part is None:
                continue
            shares = self.shares[holder, share_class]
            if holder in self.nominees:
                shares = self.present.get((holder, share_class), part["declared"])
            votes += shares * self.multiple(motion, share_class)
        return votes

    def attendance(self):
        def line(classes, holders, shares, base):
            votes = sum(shares[c] * self.per_share.get(c, 1) for c in classes)
            return {"holders": holders, "votes": votes, "ratio": self.ratio(votes, base)}

        shares = defaultdict(int)
        for (_holder, share_class), present in self.present.items():
            shares[share_class] += present
        base = {
            c: (self.capital[c] - self.voteless_shares.get(c, 0)) * self.per_share.get(c, 1)
            for c in self.classes
        }
        ordinary = [c for c in self.classes if c in ORDINARY]
        heads = {h for h, c in self.present if c in ordinary}
        return {
            **line(ordinary, len(heads), shares, sum(base[c] for c in ordinary)),
            "classes": {
                c: line([c], sum(1 for _h, k in self.present if k == c), shares, base[c])
                for c in self.classes
            },
        }

    def plain(self, motion):
        by_class = {
            c: self.count(motion, lambda _h, k, c=c: k == c)
            for c in self.classes
            if c in motion["classes"]
        }
        total = self.count(motion, lambda _h, c: c in ORDINARY)
        minority = self.count(motion, self.is_minority)
        result = {
            "classes": {c: self.figures(counts) for c, counts in by_class.items()},
            "total": self.figures(total),
        }
        if motion.get("separate_count") or motion.get("dual_threshold"):
            result["minority"] = self.figures(minority)
        if motion.get("dividend"):
            result["segments"] = {
                name: self.figures(
                    self.count(motion, lambda h, c, n=name: c == "A" and n in self.segment(h))
                )
                for name in ("ge5", "1to5", "lt1", "lt1_small", "lt1_large")
            }
        bodies = [total] if set(motion["classes"]) & set(ORDINARY) else []
        bodies += [by_class["PREF"]] if "PREF" in by_class else []
        passed = all(self.passes(motion, body) for body in bodies)
        if motion.get("dual_threshold"):
            passed = passed and self.two_thirds(minority)
        if motion.get("per_class_threshold"):
            passed = passed and all(self.two_thirds(body) for body in by_class.values())
        result["outcome"] = "passed" if passed else "rejected"
        return result

    def two_thirds(self, counts):
        return sum(counts) > 0 and Fraction(counts[0], sum(counts)) >= Fraction(2, 3)

    def passes(self, motion, counts):
        if not sum(counts):
            return False
        if motion["resolution"] == "special":
            return self.two_thirds(counts)
        part = Fraction(counts[0], sum(counts))
        half = Fraction(1, 2)
        return part >= half if self.policies["ordinary_threshold"] == "GE_HALF" else part > half

    def votes_for(self, motion, candidate, holders_of):
        votes = 0
        for holder, share_class in self.present:
            part = self.places.get((holder, share_class, motion["number"]))
            if (
                part
                and part["is_valid"]
                and not self.recused(holder, motion["number"])
                and holders_of(holder, share_class)
            ):
                votes += part["choice"].get(candidate, 0)
        return votes

    def election(self, motion):
        def anybody(_holder, _class):
            return True

        present = sum(self.count(motion, anybody))
        votes = {
            c["number"]: self.votes_for(motion, c["number"], anybody) for c in motion["candidates"]
        }
        is_enough = (
            (lambda n: 2 * n >= present)
            if self.policies["election_threshold"] == "GE_HALF"
            else (lambda n: 2 * n > present)
        )
        above = {c: n for c, n in votes.items() if present and is_enough(n)}
        elected, tied, left = set(), set(), motion["seats"]
        for level in sorted(set(above.values()), reverse=True):
            names = {c for c, n in above.items() if n == level}
            if len(names) <= left:
                elected |= names
                left -= len(names)
            else:
                tied = names if left else set()
                break
        result = {
            "candidates": {
                c: {
                    "votes": n,
                    "ratio": self.ratio(n, present),
                    "elected": c in elected,
                    "tie": c in tied,
                }
                for c, n in votes.items()
            },
            "present": present,
            "seats": motion["seats"],
            "elected": len(elected),
            "shortfall": motion["seats"] - len(elected),
            "invalid_ballots": sorted(
                self.invalid[motion["number"]], key=lambda entry: entry["seq"]
            ),
        }
        if motion.get("separate_count"):
            small = sum(self.count(motion, self.is_minority))
            result["minority"] = {
                "present": small,
                "candidates": {
                    c: {"votes": n, "ratio": self.ratio(n, small)}
                    for c in votes
                    for n in [self.votes_for(motion, c, self.is_minority)]
                },
            }
        return result

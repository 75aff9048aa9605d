"""The ballot paper (表决票样): what one holder is asked with one class of shares, as a form.

All that was filled in travels in the form itself; nothing is kept on the server before the ballot
is cast. A `mark` in the form names its holder and class, so a page
left open in another tab is never cast for somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ballots.entitlement import Entitlement
from ballots.lines import (
    DECLARED,
    CandidateLine,
    Line,
    SplitLine,
    candidate_field,
    fields_of,
    motion_field,
    split_field,
    whole_number,
)
from ballots.models import Ballot, Opinion
from ballots.rules import (
    OPINIONS,
    BadBallot,
    Choices,
    Fault,
    available_votes,
    check_choices,
    most_candidates,
)
from meetings.agenda import Agenda, ClassPaper, MotionPaper
from meetings.models import Holder


class Paper:
    """The form of one holder and class; `data` is what the browser sent, empty for a blank one."""

    def __init__(
        self,
        *,
        entitlement: Entitlement,
        agenda: Agenda,
        share_class: ClassPaper,
        data: Mapping[str, str] | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        self.entitlement, self.agenda, self.share_class = entitlement, agenda, share_class
        self.shares = entitlement.holder.shares_of(share_class.number)
        self.motions = agenda.votable(share_class)
        self.is_nominee = entitlement.holder.kind == Holder.Kind.NOMINEE
        names = set(fields_of(self.motions, is_nominee=self.is_nominee))
        self.data = {name: value for name, value in (data or {}).items() if name in names}
        self.faults = tuple(faults)

    @classmethod
    def of_ballot(cls, ballot: Ballot, *, entitlement: Entitlement, agenda: Agenda) -> Paper:
        """The paper as it was cast."""
        data = {}
        for number, choice in ballot.choices.items():
            if isinstance(choice, str):
                data[motion_field(number)] = choice
            elif choice.keys() <= OPINIONS:
                data |= {split_field(number, name): str(n) for name, n in choice.items()}
                data[DECLARED] = str(ballot.shares)
            else:
                data |= {candidate_field(name): str(votes) for name, votes in choice.items()}
        share_class = agenda.share_classes[ballot.share_class]
        return cls(entitlement=entitlement, agenda=agenda, share_class=share_class, data=data)

    @cached_property
    def mark(self) -> str:
        return _mark(self.entitlement, self.share_class)

    @cached_property
    def lines(self) -> list[Line]:
        """The motions to vote on, in the order of the agenda."""
        return [self._line(motion) for motion in self.motions]

    @cached_property
    def entries(self) -> list[tuple[MotionPaper | None, Line | None]]:
        """Lines with the headings that stand above them: (heading, None) or (None, line)."""
        lines = {line.motion.number: line for line in self.lines}
        groups = {motion.number.partition(".")[0] for motion in self.motions}
        entries: list[tuple[MotionPaper | None, Line | None]] = []
        for motion in self.agenda.motions:
            if motion.number in lines:
                entries.append((None, lines[motion.number]))
            elif motion.is_heading and motion.number.partition(".")[0] in groups:
                entries.append((motion, None))
        return entries

    @property
    def plain(self) -> list[Line]:
        """The lines that 全部同意 fills; a nominee fills each in by itself."""
        if self.is_nominee:
            return []
        return [line for line in self.lines if not line.is_recused and not line.candidates]

    @property
    def declared_text(self) -> str:
        return self.data.get(DECLARED, "")

    @property
    def declared(self) -> int | None:
        """The shares that a nominee declares; None where it says none, or for anybody else."""
        return whole_number(self.declared_text) if self.declared_text else None

    @property
    def speaks_for(self) -> int:
        """The shares that this paper votes with."""
        return (self.declared or 0) if self.is_nominee else self.shares

    @property
    def name_masked(self) -> str:
        return self.entitlement.holder.name_masked

    @property
    def hidden_fields(self) -> SafeString:
        """What was filled in, as the hidden fields of the next page."""
        field = '<input type="hidden" name="{}" value="{}">'
        return format_html_join("", field, sorted(self.data.items()))

    @property
    def elections(self) -> list[Line]:
        return [line for line in self.lines if line.motion.is_cumulative and not line.is_recused]

    @property
    def is_complete(self) -> bool:
        """Whether it may be cast as it stands, and leaves no vote unused."""
        try:
            self.choices()
        except BadBallot:
            return False
        return not self.unused

    @property
    def unused(self) -> list[Line]:
        return [line for line in self.lines if line.leaves_votes]

    def choices(self) -> Choices:
        """What the form says, for the rules; a recused line is always blank.

        BadBallot for a field that is no whole number or a ballot that breaks a rule.
        """
        choices: dict[str, str | dict[str, int]] = {}
        faults = []
        for line in self.lines:
            if line.motion.is_cumulative:
                votes = {c.candidate.number: c.votes for c in line.candidates}
                choices[line.motion.number] = {n: v for n, v in votes.items() if v}
                if None in votes.values():
                    words = {"number": line.motion.number}
                    message = _("议案%(number)s的票数须为不带小数的数字。") % words
                    faults.append(Fault(line.motion.number, "INCOMPLETE", message))
            elif line.split and not line.is_recused:
                shares = {part.opinion.value: part.shares for part in line.split}
                choices[line.motion.number] = {n: v or 0 for n, v in shares.items()}
                if None in shares.values():
                    words = {"number": line.motion.number}
                    message = _("议案%(number)s的股数须为不带小数的数字。") % words
                    faults.append(Fault(line.motion.number, "INCOMPLETE", message))
            elif line.opinion:
                choices[line.motion.number] = line.opinion
        try:
            check_choices(
                motions=self.motions,
                shares=self.shares,
                votes_per_share=self.share_class.votes_per_share,
                recused=self.entitlement.recused,
                choices=choices,
                policies=self.agenda.policies,
                is_nominee=self.is_nominee,
                declared=self.declared,
            )
        except BadBallot as refusal:
            faults.extend(refusal.faults)
        if faults:
            order = [motion.number for motion in self.motions]
            raise BadBallot(sorted(faults, key=lambda f: order.index(f.motion) if f.motion else -1))
        return choices

    def filled(self, opinion: Opinion) -> Paper:
        """The same paper with this opinion on every plain motion (一键); the rest as it was."""
        return self.changed({line.name: str(opinion.value) for line in self.plain})

    def spread(self, number: str) -> Paper:
        """The same paper with the group's votes spread evenly (平均分配).

        Among the candidates who were given votes; among all where none was, if there are no more
        than seats. What cannot be divided is left over, so that nobody gets more by the order.
        """
        line = next((line for line in self.lines if line.motion.number == number), None)
        if line is None or line.is_recused or not line.candidates:
            return self
        named = [c for c in line.candidates if c.votes != 0]
        most = line.most_candidates if named else line.motion.seats
        named = named or list(line.candidates)
        if len(named) > most:
            words = {"number": number, "seats": str(most)}
            message = _(
                "议案%(number)s最多投给%(seats)s人：请先在您支持的候选人处填入任意票数，"
                "再选择平均分配。"
            )
            return self.changed({}, faults=[Fault(number, "TOO_MANY_CANDIDATES", message % words)])
        share = line.available // len(named)
        blank = {c.name: "" for c in line.candidates}
        return self.changed(blank | {c.name: str(share) for c in named})

    def counted(self, number: str) -> Paper:
        """The same paper with what is wrong in one group said (计算剩余票数)."""
        try:
            self.choices()
        except BadBallot as refusal:
            return self.changed({}, faults=[f for f in refusal.faults if f.motion == number])
        return self

    def refused(self, refusal: BadBallot) -> Paper:
        """The same paper with its faults said."""
        return self.changed({}, faults=refusal.faults)

    def changed(self, changes: Mapping[str, str], *, faults: Sequence[Fault] = ()) -> Paper:
        """The same paper with these fields as they are here."""
        return Paper(
            entitlement=self.entitlement,
            agenda=self.agenda,
            share_class=self.share_class,
            data={**self.data, **changes},
            faults=faults,
        )

    def _line(self, motion: MotionPaper) -> Line:
        is_recused = motion.number in self.entitlement.recused
        opinion = self.data.get(motion_field(motion.number), "")
        each = self.share_class.votes_per_share
        is_split = self.is_nominee and not motion.is_cumulative
        return Line(
            motion=motion,
            is_recused=is_recused,
            opinion=opinion if opinion in OPINIONS and not is_recused else "",
            candidates=tuple(
                CandidateLine(c, "" if is_recused else self.data.get(candidate_field(c.number), ""))
                for c in motion.candidates
            ),
            split=tuple(
                SplitLine(motion.number, o, self.data.get(split_field(motion.number, o), ""))
                for o in (Opinion if is_split else ())
            ),
            each=motion.multiple(each),
            available=available_votes(motion, shares=self.speaks_for, votes_per_share=each),
            most_candidates=most_candidates(
                motion, policies=self.agenda.policies, is_nominee=self.is_nominee
            ),
            faults=tuple(fault for fault in self.faults if fault.motion == motion.number),
        )


def marked_class(entitlement: Entitlement, agenda: Agenda, mark: str) -> ClassPaper | None:
    """The class whose paper the form is; None for a form of somebody else."""
    for share_class in agenda.share_classes:
        if constant_time_compare(mark, _mark(entitlement, share_class)):
            return share_class
    return None


def _mark(entitlement: Entitlement, share_class: ClassPaper) -> str:
    value = f"{entitlement.holder.pk} {share_class.number}"
    return salted_hmac("ballots.paper", value, algorithm="sha256").hexdigest()[:32]

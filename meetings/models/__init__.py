"""What is put to the vote, and who is entitled to vote on it."""

from __future__ import annotations

from meetings.models.agenda import Candidate, Document, Motion
from meetings.models.calendar import CalendarYear
from meetings.models.journal import JournalEntry
from meetings.models.keys import LogKey, MeetingKey
from meetings.models.lists import (
    ConcertParty,
    Contact,
    Insider,
    KindDecision,
    ListedHolder,
    ListImport,
    Recusal,
)
from meetings.models.meeting import Issuer, Meeting, ShareClass
from meetings.models.policies import POLICIES, Policies
from meetings.models.profiles import ImportHeader, ImportProfile
from meetings.models.register import (
    Holder,
    HolderQuerySet,
    Holding,
    HoldingQuerySet,
    ImportedFile,
    Register,
    RegisterPart,
)

__all__ = [
    "POLICIES",
    "CalendarYear",
    "Candidate",
    "ConcertParty",
    "Contact",
    "Document",
    "Holder",
    "HolderQuerySet",
    "Holding",
    "HoldingQuerySet",
    "ImportHeader",
    "ImportProfile",
    "ImportedFile",
    "Insider",
    "Issuer",
    "JournalEntry",
    "KindDecision",
    "ListImport",
    "ListedHolder",
    "LogKey",
    "Meeting",
    "MeetingKey",
    "Motion",
    "Policies",
    "Recusal",
    "Register",
    "RegisterPart",
    "ShareClass",
]

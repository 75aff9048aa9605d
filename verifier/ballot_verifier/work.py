"""A verification under way: the bundle, what is known of its log, and what the steps found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ballot_verifier import documents, notes, records
from ballot_verifier.bundle import ENTRY_SIZE, Bundle, Unreadable, parse_json
from ballot_verifier.documents import Lists
from ballot_verifier.findings import Findings
from ballot_verifier.notes import BadNote, Key

# The steps by their numbers.
BUNDLE, SIGNATURES, OPENINGS, TREE, ONCE, REGISTER, AGENDA, RULES, TOTALS, PROMISES = range(10)


class Work:
    """What is known so far. `checked` counts what a step looked at; a step that is not in it was
    not done. `entries` are the log's leaves, 33 bytes each."""

    def __init__(self, bundle: Bundle, keys: Sequence[Key]) -> None:
        self.bundle = bundle
        self.findings = Findings()
        self.checked: dict[int, int] = {}
        self.figures: dict[str, int] = {}
        self.given = tuple(key for key in keys if key.type == notes.LOG)
        self.keys = self._all_keys(keys)
        # The log's own keys, each named by the one before, and the size at which each but the last
        # handed over.
        self.chain: tuple[Key, ...] = ()
        self.ends: tuple[int, ...] = ()
        self.successions: list[tuple[int, records.Succession]] = []
        self.is_whole = "register.txt" in bundle  # an auditor's: every leaf can be opened
        self.leaves, rest = divmod(bundle.size("entries.bin"), ENTRY_SIZE)
        if rest or not self.leaves:
            raise Unreadable("entries.bin: not whole entries")
        self.agenda = documents.read_agenda(
            parse_json(bundle.read("agenda.json"), name="agenda.json")
        )
        self.lists = Lists()
        if "lists.json" in bundle:
            self.lists = documents.read_lists(bundle.document("lists.json"), self.agenda)
        self.totals = bundle.document("totals.json") if "totals.json" in bundle else None
        self.origin = ""
        self.entries = b""
        self.start: records.Start | None = None
        self.close: records.Close | None = None
        self.tally: records.Tally | None = None  # the newest, and its place in the log
        self.tally_index: int | None = None

    @property
    def agenda_hash(self) -> str:
        return self.bundle.digests["agenda.json"][1]

    def fail(self, step: int, reason: str, index: int | None = None, **values: Any) -> None:
        """Note a failure of a step."""
        self.findings.fail(step, reason, index, **values)

    def looked_at(self, step: int, number: int = 1) -> None:
        """Count what a step looked at, which makes it done."""
        self.checked[step] = self.checked.get(step, 0) + number

    def _all_keys(self, given: Sequence[Key]) -> tuple[Key, ...]:
        """Keys by hand and the bundle's; which of the log's hold is for succession.py to find."""
        try:
            lines = self.bundle.read("keys.txt").decode("ascii").splitlines()
            self.ours = tuple(Key.parse(line) for line in lines if line)
        except (BadNote, UnicodeDecodeError) as error:
            raise Unreadable(f"keys.txt: {error}") from None
        return tuple(dict.fromkeys([*given, *self.ours]))

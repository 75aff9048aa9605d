"""Recompute the links of the journal and say where one does not fit."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from meetings import journal


class Command(BaseCommand):
    help = "Check that no entry of the journal was changed, put in or taken out."

    def handle(self, **_options: Any) -> None:
        chains = journal.chains()
        for chain in chains:
            name = f"meeting {chain.meeting_id}" if chain.meeting_id else "no meeting"
            state = f"BROKEN at entry {chain.broken_at}" if chain.broken_at else "whole"
            self.stdout.write(f"{name}: {chain.entries} entries, {state}, {chain.last_link}")
        if broken := [chain for chain in chains if chain.broken_at]:
            raise CommandError(f"{len(broken)} of {len(chains)} chains are broken.")

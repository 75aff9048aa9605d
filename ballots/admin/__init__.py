"""What the ballots add to the admin: the paper as holders see it, other channels, the tally."""

from __future__ import annotations

from ballots.admin import checklist, specimen, tally, waiting

__all__ = ["checklist", "specimen", "tally", "waiting"]

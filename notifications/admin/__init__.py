"""Exchange staff at the post office: campaigns, what came of them, and who is left alone."""

from __future__ import annotations

from notifications.admin import campaigns, checklist, reach, suppressions, waiting

__all__ = ["campaigns", "checklist", "reach", "suppressions", "waiting"]

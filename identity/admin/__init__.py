"""What identity adds to the admin: who works here, nominees' entries, and links that must end."""

from __future__ import annotations

from identity.admin import entries, reissuing, users, waiting

__all__ = ["entries", "reissuing", "users", "waiting"]

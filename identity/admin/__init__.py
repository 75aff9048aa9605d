"""What identity adds to the admin: who works here, nominees' entries, links that must end, and
one holder's registered data for a reason."""

from __future__ import annotations

from identity.admin import entries, reissuing, unmasking, users, waiting

__all__ = ["entries", "reissuing", "unmasking", "users", "waiting"]

"""What identity adds to the admin: who works here, and nominees' entries."""

from __future__ import annotations

from identity.admin import entries, users

__all__ = ["entries", "users"]

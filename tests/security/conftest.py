"""Fixtures of this directory."""

from __future__ import annotations

from tests.ballots.conftest import verified
from tests.handset import handset

__all__ = ["handset", "verified"]

"""Fixtures of this directory."""

from __future__ import annotations

from tests.handset import handset

__all__ = ["handset"]

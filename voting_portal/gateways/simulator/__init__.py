"""A carrier for development: takes messages like one, shows them on a simulated handset."""

from __future__ import annotations

"""A port of this machine at which nobody listens."""

from __future__ import annotations

import pytest

from drills import installation


@pytest.fixture
def free_port():
    return installation.free_port()

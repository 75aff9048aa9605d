"""The drill of backup and recovery: nothing confirmed is lost, and an older copy signs nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from drills.clusters import CannotRecover, verify_backup
from drills.restore import Drill, Outcome, report_of

pytestmark = pytest.mark.servers


def test_votes_survive_the_loss_of_the_database_and_no_log_forks(tmp_path):
    outcome = Drill(tmp_path, seconds=4, holders=2_000).run()

    assert not outcome.faults
    assert outcome.figures["RPO"].startswith("0 confirmed ballots lost, 0 s")
    assert outcome.figures["the log of the older copy"] == "stands and says so"
    backup = tmp_path / "backup"
    verify_backup(backup)
    changed = next(backup.glob("base/*/pg_filenode.map"))
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    with pytest.raises(CannotRecover, match="is not as it was backed up"):
        verify_backup(backup)


def test_a_fault_fails_the_drill_and_stands_in_its_report():
    outcome = Outcome({"RTO": "3 s"})

    outcome.expect(holds=False, fault="LOST: 1 confirmed ballots are in no copy")

    report = report_of(outcome, at=datetime(2026, 11, 22, tzinfo=UTC))
    assert "2026-11-22 00:00 UTC: FAILED" in report
    assert "- FAULT LOST: 1" in report
    assert "| RTO | 3 s |" in report

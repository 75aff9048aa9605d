"""Bundles that the portal exports, checked by the program that shares no line with it.

Each meeting is played through the real parts: register, ballots, files of other channels, the
sequencer, the tally opened by two, the export.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings

from ballot_verifier import merkle
from ballot_verifier.notes import Key
from ballot_verifier.verifying import verify
from ballots.log.bundle import BundleKind, write_bundle
from ballots.log.checkpoints import cosign
from ballots.log.keys import note_key
from ballots.log.models import LogLeaf
from ballots.log.proofs import prove_consistency, prove_inclusion
from ballots.opening import ask_for_tally, open_tally
from ballots.scenario import _Run
from meetings.log_keys import newest_log_key
from meetings.models import Meeting
from tests.ballots.log.test_sequencing import log_everything
from tests.ballots.test_recount_by_hand import scenarios
from tests.verifier.conftest import failed

pytestmark = pytest.mark.django_db
FOLDER = Path(__file__).parents[1] / "data" / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.json"))


def play(scenario):
    """Play a scenario to its tally, with everything in the log."""
    run = _Run(scenario)
    run.play()
    log_everything()
    ask_for_tally(run.meeting.pk, by="operator:1", now=timezone.now())
    open_tally(run.meeting.pk, by="operator:2", now=timezone.now())
    log_everything()
    return run.meeting


def export(meeting, path, kind=BundleKind.AUDITOR):
    with path.open("wb") as file:
        write_bundle(meeting.pk, kind, file)
    return path


def checked(path, **options):
    """Verify a bundle under the portal's key, given by hand."""
    return verify(path, keys=[Key.parse(note_key(newest_log_key()).vkey)], processes=1, **options)


@pytest.fixture
def meeting():
    return play(json.loads((FOLDER / "E11_recusal.json").read_text()))


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_what_the_portal_exports_of_a_worked_example_holds_in_every_step(file, tmp_path):
    meeting = play(json.loads(file.read_text()))

    report = checked(export(meeting, tmp_path / "bundle.zip"))

    assert failed(report) == {}
    assert [step.number for step in report.steps if step.status == "not_done"] == [9]


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(scenario=scenarios())
def test_so_does_what_it_exports_of_random_meetings(scenario, tmp_path):
    report = checked(export(play(scenario), tmp_path / "bundle.zip"))

    assert failed(report) == {}


def test_a_public_bundle_holds_before_and_after_the_result_is_published(meeting, tmp_path):
    before = checked(export(meeting, tmp_path / "before.zip", BundleKind.PUBLIC))
    Meeting.objects.filter(pk=meeting.pk).update(state=Meeting.State.PUBLISHED, is_rehearsal=False)
    after = checked(export(meeting, tmp_path / "after.zip", BundleKind.PUBLIC))

    assert failed(before) == failed(after) == {}
    assert (before.steps[8].status, after.steps[8].status) == ("not_done", "passed")


def test_a_cosignature_of_a_scrutineer_is_found_good(meeting, tmp_path):
    words = {"by": "operator:1", "now": timezone.now()}
    cosign(meeting.pk, name="lawyer.example", private=Ed25519PrivateKey.generate(), **words)

    report = checked(export(meeting, tmp_path / "bundle.zip"))

    assert failed(report) == {}
    assert report.cosigned_by == ("lawyer.example",)


def test_proofs_from_the_books_hold_for_every_leaf_and_every_two_sizes(meeting):
    leaves = LogLeaf.objects.of_meeting(meeting.pk).order_by("id")
    hashes = [
        merkle.leaf_hash(bytes([kind]) + bytes(commitment))
        for kind, commitment in leaves.values_list("kind", "commitment")
    ]
    size = len(hashes)
    roots = dict(merkle.roots_at(hashes, range(1, size + 1)))

    for index in range(size):
        assert merkle.is_included(
            leaf=hashes[index],
            index=index,
            size=size,
            proof=prove_inclusion(meeting.pk, index, size),
            root=roots[size],
        )
        assert merkle.is_consistent(
            size=index + 1,
            root=roots[index + 1],
            later_size=size,
            later_root=roots[size],
            proof=prove_consistency(meeting.pk, index + 1, size),
        )


def test_a_figure_that_was_changed_in_the_export_is_noticed(meeting, tmp_path):
    path, changed = export(meeting, tmp_path / "bundle.zip"), tmp_path / "changed.zip"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(changed, "w") as written:
        for name in archive.namelist():
            data = archive.read(name)
            if name == "totals.json":
                data = data.replace(b'"votes":820000', b'"votes":820001')
            written.writestr(name, data)

    report = checked(changed)

    assert set(failed(report)) == {0, 8}
    assert "attendance/votes" in {failure.place for failure in report.steps[8].failures}

"""At the end of its period a meeting's personal data goes, after what must stay was verified."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ballots.models import Checkpoint, Tally
from identity.links import personal_url
from meetings import keys, live
from meetings.log_keys import log_signer
from meetings.models import Holder, JournalEntry, Meeting, MeetingKey
from meetings.register.records import open_person
from meetings.wrapping_keys import KeyDestroyed
from retention import archive, asking, contents, periods, purging
from retention.models import TIMER, Hold, Purge
from tests.factories import make_meeting, make_operator, make_secretary
from tests.retention.conftest import ID, NAME, PHONE, live_through

NOW = timezone.now


def purge_at(moment):
    return purging.purge_all(clock=lambda: moment)


def tables():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = current_schema::regnamespace"
        )
        return {name for (name,) in cursor.fetchall()}


def test_every_table_is_deleted_emptied_or_kept_with_a_reason(db):
    lists = (contents.DROPPED, contents.DELETED, contents.WITH_THE_KEYS, contents.KEPT)
    named = [table for names in lists for table in names]

    assert len(named) == len(set(named))
    assert set(named) | set(contents.EMPTIED) == tables()
    assert not set(contents.EMPTIED) & set(named)
    assert all(contents.KEPT.values())


def test_what_has_lived_has_rows_in_every_table_that_is_emptied(lived):
    counts = contents.count_all(lived.meeting.pk)

    without = {table for table, rows in counts.items() if not rows}
    assert without == {"meetings_kinddecision"}


def test_after_its_period_nothing_personal_is_left(lived, after):
    done = purge_at(after)

    purge = Purge.objects.get(meeting=lived.meeting)
    assert done == 1
    assert (purge.stage, purge.cause, purge.asked_by) == ("DONE", "DUE", TIMER)
    assert not any(contents.count_all(lived.meeting.pk).values())
    assert not contents.partitions_left(lived.meeting.pk)
    assert not MeetingKey.objects.filter(meeting=lived.meeting).exists()
    with pytest.raises(KeyDestroyed):
        open_person(lived.holder)
    register = lived.meeting.registers.get()
    assert (register.errors, bytes(register.fault_list)) == ([], b"")
    campaign = lived.meeting.campaigns.get()
    assert (campaign.preview, campaign.state) == ({"told": 1}, "CANCELLED")
    assert Meeting.objects.get(pk=lived.meeting.pk).purged_at == after


def test_before_its_period_is_over_nothing_happens(lived, after):
    done = purge_at(after - timedelta(days=2))

    assert done == 0
    assert not Purge.objects.exists()
    assert open_person(lived.holder).name == NAME


def test_a_meeting_that_keeps_its_data_longer_keeps_it(db):
    after = live_through(retention_days=90).meeting.polls_sealed_at + timedelta(days=31)

    assert purge_at(after) == 0
    assert purge_at(after + timedelta(days=60)) == 1


@pytest.mark.parametrize("state", ["PUBLISHED", "CANCELLED", "POSTPONED"])
def test_the_period_runs_from_the_journal_entry_of_the_end(db, state):
    meeting = make_meeting(state=state, is_rehearsal=False)
    ended_at = NOW() - timedelta(days=40)
    values = {"verb": f"meeting.{state.lower()}", "actor": "operator:1", "at": ended_at}
    JournalEntry.objects.create(meeting=meeting, **values)

    period = periods.period_of(meeting.pk)

    assert period.ended_at == ended_at
    assert period.due_at == ended_at + timedelta(days=30)
    assert [due.meeting_id for due in periods.due(now=NOW())] == [meeting.pk]


def test_a_meeting_that_was_called_off_is_archived_without_ballots(db):
    meeting = make_meeting(state="CANCELLED", is_rehearsal=False)
    values = {"verb": "meeting.cancelled", "actor": "operator:1"}
    JournalEntry.objects.create(meeting=meeting, at=NOW() - timedelta(days=31), **values)

    purge_at(NOW())

    purge = Purge.objects.get(meeting=meeting)
    assert purge.stage == "DONE"
    assert set(purge.files) == {"journal.jsonl", "SHA256SUMS"}


def test_the_archive_holds_bundles_that_verify_and_every_form_of_the_result(lived, after):
    purge_at(after)

    purge = Purge.objects.select_related("meeting__issuer").get()
    folder = archive.folder_of(purge.meeting)
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert found == {name: digest for name, (_size, digest) in purge.files.items()}
    assert {f"result-1.{form}" for form in ("docx", "xlsx", "pdf", "csv", "json")} <= set(found)
    for kind in ("public", "auditor"):
        verdict = json.loads((folder / f"{kind}-verified.json").read_text())
        assert verdict["outcome"] == "good"
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    assert len(sums) == len(found) - 1


def test_nothing_personal_is_clear_in_the_archive(lived, after):
    purge_at(after)

    purge = Purge.objects.select_related("meeting__issuer").get()
    for path in archive.folder_of(purge.meeting).iterdir():
        content = path.read_bytes()
        assert not [secret for secret in (NAME, PHONE, ID) if secret.encode() in content]


def test_the_report_is_signed_counts_rows_and_stands_in_the_journal(lived, after):
    purge_at(after)

    purge = Purge.objects.get()
    text, _blank, signature = purge.report.rpartition("\n\n")
    raw = b64decode(signature.split()[-1])[4:]
    public = Ed25519PublicKey.from_public_bytes(log_signer(1).public)
    public.verify(raw, f"{text}\n".encode())
    said = json.loads(text.split("\n", 2)[2])
    assert said["rows_deleted"]["meetings_holder"] == 4
    assert said["rows_deleted"]["ballots_ballot"] == 2
    assert said["wrapping_keys_destroyed"] == purge.wrapping_keys
    assert said["archived_files"] == purge.files
    verbs = JournalEntry.objects.filter(meeting=lived.meeting).order_by("id")
    assert list(verbs.values_list("verb", flat=True))[-3:] == [
        "purge.due",
        "purge.keys_destroyed",
        "purge.done",
    ]


def test_public_results_stay_readable(lived, after, client):
    last = Checkpoint.objects.of_meeting(lived.meeting.pk).latest("id")
    secretary = make_secretary(lived.meeting.issuer)
    browser = Client()
    browser.force_login(secretary)
    purge_at(after)
    live.forget()

    page = client.get(f"/m/{lived.meeting.pk}/log")
    note = client.get(f"/m/{lived.meeting.pk}/log/checkpoint")
    result = browser.get(f"/secretary/{lived.meeting.pk}/result.json")
    own = browser.get(f"/secretary/{lived.meeting.pk}/")

    assert page.status_code == note.status_code == result.status_code == own.status_code == 200
    assert bytes(last.root).hex()[:8] in page.text
    assert "个人信息已于" in page.text
    assert 'name="code"' not in page.text
    told = json.loads(result.content)
    assert told.pop("ballot_log")["checkpoint"] == note.text
    assert told == Tally.objects.get().content


def test_pages_of_staff_still_open(lived, after):
    browser = Client()
    browser.force_login(make_operator())
    campaign, register = lived.meeting.campaigns.get(), lived.meeting.registers.get()
    purge_at(after)

    paths = [
        reverse("admin:meetings_meeting_change", args=[lived.meeting.pk]),
        reverse("admin:meeting-retention", args=[lived.meeting.pk]),
        reverse("admin:meeting-reach", args=[lived.meeting.pk]),
        reverse("admin:notifications_campaign_change", args=[campaign.pk]),
        reverse("admin:meetings_register_change", args=[register.pk]),
        reverse("admin:retention_purge_changelist"),
    ]
    answers = {path: browser.get(path).status_code for path in paths}

    assert set(answers.values()) == {200}, answers


def test_lists_of_votes_end_with_the_votes(lived, after):
    browser = Client()
    browser.force_login(make_secretary(lived.meeting.issuer))
    purge_at(after)

    answers = [
        browser.get(f"/secretary/{lived.meeting.pk}/{name}.csv").status_code
        for name in ("detail", "exceptions")
    ]

    assert answers == [404, 404]


def test_a_link_is_nobodys_afterwards(lived, after, client):
    link = personal_url(lived.holder.pk, 0).partition("/v/")[2]
    assert client.get(f"/v/{link}").status_code == 200

    purge_at(after)
    live.forget()

    assert client.get(f"/v/{link}").status_code == 404


def test_nothing_is_destroyed_when_a_bundle_does_not_verify(lived, after):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ballots_ballot DISABLE TRIGGER append_only")
        cursor.execute('UPDATE ballots_ballot SET choices = choices || \'{"1.00": "AGAINST"}\'')
        cursor.execute("ALTER TABLE ballots_ballot ENABLE TRIGGER append_only")

    done = purge_at(after)

    purge = Purge.objects.get()
    assert done == 0
    assert purge.stage == "ASKED"
    assert "auditor-bundle.zip does not verify" in purge.problem
    assert open_person(lived.holder).name == NAME
    assert Holder.objects.of_meeting(lived.meeting.pk).count() == 4


def test_nothing_is_destroyed_when_the_archive_reads_differently(lived, after, monkeypatch):
    asking.ask_due(now=after)
    purge = Purge.objects.select_related("meeting__issuer").get()
    purging.STAGES["ASKED"](purge, after)
    path = archive.folder_of(purge.meeting) / "public-bundle.zip"
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    done = purge_at(after)

    assert done == 0
    assert Purge.objects.get().problem == "public-bundle.zip is not as it was written"
    assert open_person(lived.holder).name == NAME


def test_nothing_goes_on_when_the_wrapping_key_is_not_there(lived, after):
    (name,) = keys.wrapping_keys_of(lived.meeting.pk)
    file = keys.keystore().wrapping.folder / name
    kept = file.read_bytes()
    file.unlink()

    assert purge_at(after) == 0
    assert f"no key {name}" in Purge.objects.get().problem
    file.write_bytes(kept)
    assert purge_at(after) == 1
    assert Purge.objects.get().problem == ""


def test_another_meeting_loses_nothing(lived, after):
    other = live_through()
    asking.place_hold(other.meeting.pk, reason="诉讼", by="operator:1", now=after)
    before = contents.count_all(other.meeting.pk)

    purge_at(after)

    assert Purge.objects.get().meeting_id == lived.meeting.pk
    assert contents.count_all(other.meeting.pk) == before
    assert open_person(other.holder).name == NAME


def test_a_hold_stops_it_and_another_person_must_lift_it(lived, after):
    asking.ask_due(now=after)
    asking.place_hold(lived.meeting.pk, reason="诉讼", by="operator:1", now=after)

    held = purge_at(after)
    with pytest.raises(asking.SamePerson):
        asking.lift_hold(lived.meeting.pk, by="operator:1", now=after)
    still_held = purge_at(after)
    asking.lift_hold(lived.meeting.pk, by="operator:2", now=after)

    assert (held, still_held) == (0, 0)
    assert Hold.objects.get().lifted_by == "operator:2"
    assert purge_at(after) == 1


def test_early_it_takes_two_people(lived):
    meeting, now = lived.meeting.pk, NOW()
    asking.ask_early(meeting, by="operator:1", now=now)

    unapproved = purge_at(now)
    with pytest.raises(asking.SamePerson):
        asking.approve(meeting, by="operator:1", now=now)
    still = purge_at(now)
    asking.approve(meeting, by="operator:2", now=now)

    assert (unapproved, still) == (0, 0)
    assert purge_at(now) == 1
    assert Purge.objects.get().approved_by == "operator:2"


def test_a_meeting_that_goes_on_cannot_be_asked_for(db):
    meeting = make_meeting(is_rehearsal=False)

    with pytest.raises(asking.NotOver):
        asking.ask_early(meeting.pk, by="operator:1", now=NOW())

    assert not Purge.objects.exists()


def test_the_command_takes_the_same_way(lived, capsys):
    meeting = lived.meeting.pk
    call_command("purge_meeting", meeting, "--ask", by="operator:1")
    with pytest.raises(CommandError, match="另一位"):
        call_command("purge_meeting", meeting, "--approve", by="operator:1")
    call_command("purge_meeting", meeting, "--approve", by="operator:2")
    call_command("purge_meeting", meeting, "--run")

    assert "personal-data/v1 deleted" in capsys.readouterr().out
    assert Purge.objects.get().stage == "DONE"


def test_a_report_is_about_this_installation(lived, after):
    purge_at(after)

    assert Purge.objects.get().report.startswith(f"{settings.LOG_NAME}/{lived.meeting.pk}\n")

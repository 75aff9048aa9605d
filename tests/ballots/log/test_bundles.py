"""A bundle holds all that is needed to check a meeting, and nothing that names a holder."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from datetime import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from ballots.casting import cast_ballot
from ballots.entitlement import read_entitlement
from ballots.log import commitment, tree
from ballots.log.bundle import BundleKind, write_bundle
from ballots.log.checkpoints import AlreadyCosigned, CannotShow, NotLogged, cosign, last_checkpoint
from ballots.log.promises import promise_of, proof_of
from ballots.models import Ballot, Channel, OtherVote
from ballots.opening import ask_for_tally, correct_tally, open_tally
from meetings import lifecycle
from meetings.agenda import read_agenda
from meetings.log_keys import log_signer
from meetings.models import Holder, JournalEntry, Meeting
from meetings.preparing import name_concert_party, name_insider, recuse
from tests.ballots.log.test_sequencing import cast, log_everything
from tests.ballots.test_importing import take_in
from tests.factories import make_holder, make_meeting

pytestmark = pytest.mark.django_db
NOW = timezone.now


def count(meeting):
    ask_for_tally(meeting.pk, by="operator:1", now=NOW())
    return open_tally(meeting.pk, by="operator:2", now=NOW())


@pytest.fixture
def counted():
    """Three ballots, one of them recused; a vote at a terminal that is beaten, one of a stranger;
    a tally, a correction that adds an on-site vote, and a second tally."""
    at = datetime(2024, 6, 26, 11, 0, tzinfo=lifecycle.BEIJING)
    meeting = make_meeting(now=at)
    for shares, choices in (
        (1_000, {"1.00": "FOR", "2.00": "FOR", "3.00": {"3.01": 2_000}}),
        (300, {"1.00": "AGAINST", "2.00": "ABSTAIN"}),
        (50, {"1.00": "FOR", "2.00": "AGAINST"}),
    ):
        cast_ballot(
            entitlement=read_entitlement(make_holder(meeting, shares=shares).pk, 0),
            agenda=read_agenda(meeting.pk),
            share_class=0,
            choices=choices,
            level=1,
            at=at,
        )
    make_holder(meeting, shares=40)
    motion = meeting.motions.get(group=2)
    words = {"by": "operator:1", "now": NOW()}
    recuse(motion, account="A000000002", name="张小三", **words)
    name_insider(meeting.pk, account="A000000003", name="张小三", **words)
    name_concert_party(meeting.pk, group=1, account="A000000001", name="张小三", **words)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    take_in(
        meeting,
        "A000000001,1.00,反对,,,,,,23:59:59,1",
        "A000000001,3.01,,9999,,,,,23:59:59,1",
        "A999999999,1.00,同意,,,,,,09:41:00,2",
    )
    log_everything()
    count(meeting)
    correct_tally(meeting.pk, reason="漏报一户", by="operator:1", now=NOW())
    take_in(meeting, "A000000004,1.00,反对,,,,,,,", channel=Channel.ONSITE)
    count(meeting)
    log_everything()
    return meeting


def bundle(meeting, kind=BundleKind.AUDITOR):
    file = io.BytesIO()
    write_bundle(meeting.pk, kind, file)
    archive = zipfile.ZipFile(file)
    return {info.filename: archive.read(info) for info in archive.infolist()}


def openings(content):
    """Place, salt and record of every line, as the specification has them."""
    found = []
    for line in content.splitlines():
        place, salt, record = line.split(b"\t", 2)
        found.append(
            (int(place), bytes.fromhex(salt.decode()), record.replace(b"\t", b"\n") + b"\n")
        )
    return found


def entries(files):
    content = files["entries.bin"]
    return [content[at : at + 33] for at in range(0, len(content), 33)]


def first_lines(content):
    return [record.split(b"\n")[0].decode() for _place, _salt, record in openings(content)]


def fields(record):
    return dict(line.split(" ", 1) for line in record.decode().splitlines())


def root(leaves):
    grown = tree.Tree()
    for leaf in leaves:
        grown.append(tree.leaf_hash(leaf))
    return grown.root()


def test_every_record_of_the_auditors_bundle_opens_its_entry(counted):
    files = bundle(counted)

    leaves = entries(files)
    found = openings(files["openings.txt"])
    assert [place for place, _salt, _record in found] == list(range(len(leaves)))
    for place, salt, record in found:
        assert leaves[place][1:] == commitment.commit(salt, record)
    kinds = [line.split()[1] for line in first_lines(files["openings.txt"])]
    assert kinds == [
        *("start", "ballot", "ballot", "ballot", "close", "other", "other"),
        *("tally", "other", "tally"),
    ]


def test_every_checkpoint_signs_the_root_of_what_came_before(counted):
    files = bundle(counted)

    leaves, lines = entries(files), files["checkpoints.txt"].decode().splitlines()
    sizes = []
    public = Ed25519PublicKey.from_public_bytes(log_signer(1).public)
    for at in range(0, len(lines), 5):
        origin, size, hashed, blank, signature = lines[at : at + 5]
        text = f"{origin}\n{size}\n{hashed}\n"
        public.verify(base64.b64decode(signature.split()[-1])[4:], text.encode())
        assert base64.b64decode(hashed) == root(leaves[: int(size)])
        assert blank == ""
        sizes.append(int(size))
    assert sizes[0] == 1
    assert 5 in sizes  # the close
    assert sizes[-1] == len(leaves)
    assert sizes == sorted(set(sizes))


def test_the_register_has_the_root_that_the_first_record_names(counted):
    files = bundle(counted)

    holders = openings(files["register.txt"])
    leaves = [b"\x06" + commitment.commit(salt, record) for _place, salt, record in holders]
    start = fields(openings(files["openings.txt"])[0][2])
    assert start["register"] == f"4 {root(leaves).hex()}"
    assert start["agenda"] == hashlib.sha256(files["agenda.json"]).hexdigest()
    shares = {fields(r)["voter"]: fields(r)["shares"] for _p, _s, r in holders}
    for _place, _salt, record in openings(files["openings.txt"]):
        if record.startswith(b"ballot-log/v1 ballot\n"):
            said = fields(record)
            assert shares[said["voter"]] == f"{said['class']}={said['shares']}"
            assert said["agenda"] == start["agenda"]


def test_lists_and_totals_are_those_of_the_newest_tally(counted):
    files = bundle(counted)

    newest = fields(openings(files["openings.txt"])[-1][2])
    assert newest["version"] == "2"
    assert newest["lists"] == hashlib.sha256(files["lists.json"]).hexdigest()
    assert newest["totals"] == hashlib.sha256(files["totals.json"]).hexdigest()
    totals, lists = json.loads(files["totals.json"]), json.loads(files["lists.json"])
    assert totals["motions"]["1.00"]["total"]["against"] == 340
    (excluded,) = totals["motions"]["2.00"]["excluded"]
    assert [excluded["voter"]] == lists["recusals"]["2.00"]
    assert (excluded["reason"], excluded["votes"]) == ("RECUSED", 300)
    assert (len(lists["insiders"]), len(lists["concert_parties"]["1"])) == (1, 1)


def test_votes_of_other_channels_say_what_they_were_judged_to_be(counted):
    found = [fields(record) for _p, _s, record in openings(bundle(counted)["openings.txt"])]

    terminal, stranger, onsite = [said for said in found if "channel" in said]
    assert terminal["votes"] == "1.00=A;3.00=3.01:9999"
    assert terminal["invalid"] == "3.00=OVER_LIMIT"
    assert (stranger["voter"], stranger["effect"]) == ("-", "NOTHING")
    assert (onsite["channel"], onsite["shares"], onsite["declared"]) == ("ONSITE", "40", "-")


def test_nothing_in_a_bundle_names_a_holder(counted):
    holder = Holder.objects.of_meeting(counted.pk).order_by("id").first()
    person = ("张小三", "张*三", "15400000001", "A000000001", str(holder.pk))

    everything = b"".join(bundle(counted).values()).decode(errors="replace")

    assert not [words for words in person if words in everything]
    assert OtherVote.objects.first().account_masked not in everything


def test_the_public_bundle_opens_nothing_that_says_how_anybody_voted(counted):
    files = bundle(counted, BundleKind.PUBLIC)

    assert list(files) == [
        *("keys.txt", "agenda.json", "checkpoints.txt", "entries.bin", "openings.txt"),
        "manifest.json",
    ]
    assert first_lines(files["openings.txt"]) == ["ballot-log/v1 start", "ballot-log/v1 close"]


def test_the_public_bundle_has_the_totals_once_they_are_published(counted):
    Meeting.objects.filter(pk=counted.pk).update(is_rehearsal=False)
    Meeting.objects.filter(pk=counted.pk).update(state="PUBLISHED")

    files = bundle(counted, BundleKind.PUBLIC)

    assert "totals.json" in files
    last = openings(files["openings.txt"])[-1]
    assert fields(last[2])["totals"] == hashlib.sha256(files["totals.json"]).hexdigest()
    assert entries(files)[last[0]][1:] == commitment.commit(last[1], last[2])


def test_the_manifest_names_every_file_with_its_hash(counted):
    files = bundle(counted)

    manifest = json.loads(files.pop("manifest.json"))

    assert manifest["kind"] == "auditor"
    assert manifest["origin"].encode() in files["checkpoints.txt"]
    assert manifest["files"] == {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }


def test_before_the_seal_nothing_is_handed_out_and_the_attempt_is_noted(tmp_path):
    meeting = make_meeting()
    cast(meeting)
    log_everything()

    with pytest.raises(CannotShow):
        bundle(meeting)
    with pytest.raises(CommandError):
        call_command("export_bundle", meeting.pk, tmp_path / "b.zip", "--kind=public")

    assert not list(tmp_path.iterdir())
    assert JournalEntry.objects.get(verb="secrecy.attempt").details == {"what": "bundle"}


def test_nothing_is_handed_out_while_something_waits_for_the_log():
    meeting = make_meeting()
    cast(meeting)
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")

    with pytest.raises(NotLogged):
        bundle(meeting)


def test_the_command_writes_a_whole_file(counted, tmp_path, capsys):
    call_command("export_bundle", counted.pk, tmp_path / "b.zip", "--kind=auditor")

    assert zipfile.ZipFile(tmp_path / "b.zip").testzip() is None
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]


def test_a_changed_ballot_no_longer_opens_its_entry(counted):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ballots_ballot DISABLE TRIGGER append_only")
        partition = f"ballots_ballot_m{counted.pk}"
        cursor.execute(f"ALTER TABLE {partition} DISABLE TRIGGER append_only")
        cursor.execute("UPDATE ballots_ballot SET shares = shares + 1")

    files = bundle(counted)

    leaves = entries(files)
    opened = [
        leaves[place][1:] == commitment.commit(salt, record)
        for place, salt, record in openings(files["openings.txt"])
    ]
    assert opened.count(False) == Ballot.objects.count()


def test_two_scrutineers_sign_the_last_checkpoint(counted, tmp_path, capsys):
    names = ("lawyer.example", "监票人/张")
    for name in names:
        key = tmp_path / "key.pem"
        private = Ed25519PrivateKey.generate()
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key.write_bytes(pem)
        call_command("cosign_checkpoint", counted.pk, "--key", key, "--name", name)

    files = bundle(counted)

    signed = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in signed[-2:]] == list(names)
    vkeys = files["keys.txt"].decode().splitlines()
    assert [vkey.split("+")[0] for vkey in vkeys[1:]] == list(names)
    last = files["checkpoints.txt"].decode().splitlines()[-7:]
    text = "\n".join(last[:3]) + "\n"
    for vkey, line in zip(vkeys[1:], last[-2:], strict=True):
        typed = base64.b64decode(vkey.split("+", 2)[2])
        blob = base64.b64decode(line.split()[-1])
        assert typed[0] == 4
        assert blob[:4].hex() == vkey.split("+")[1]
        message = f"cosignature/v1\ntime {int.from_bytes(blob[4:12])}\n{text}".encode()
        Ed25519PublicKey.from_public_bytes(typed[1:]).verify(blob[12:], message)


def test_nobody_signs_twice_or_before_the_close(counted):
    private = Ed25519PrivateKey.generate()
    words = {"name": "lawyer.example", "private": private, "by": "operator:1", "now": NOW()}
    cosign(counted.pk, **words)

    with pytest.raises(AlreadyCosigned):
        cosign(counted.pk, **words)
    with pytest.raises(NotLogged):
        cosign(make_meeting().pk, **words)


def test_the_query_for_a_time_stamp_is_one_that_openssl_reads(counted, tmp_path):
    call_command("timestamp_checkpoint", counted.pk, tmp_path / "query.tsq")

    told = subprocess.run(
        ["openssl", "ts", "-query", "-in", tmp_path / "query.tsq", "-text"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    digest = last_checkpoint(counted.pk).digest
    assert "sha256" in told
    assert digest[:8].hex(" ") in told.replace("-", " ")
    assert digest[16:24].hex(" ") in told.replace("-", " ")
    assert (tmp_path / "query.tsq.note").read_text() == last_checkpoint(counted.pk).note


def test_the_same_books_give_the_same_bundle(counted):
    first, second = io.BytesIO(), io.BytesIO()

    for file in (first, second):
        write_bundle(counted.pk, BundleKind.AUDITOR, file)

    assert first.getvalue() == second.getvalue()


def test_a_bundle_is_compressed(counted):
    file = io.BytesIO()

    write_bundle(counted.pk, BundleKind.AUDITOR, file)

    kinds = {info.filename: info.compress_type for info in zipfile.ZipFile(file).infolist()}
    assert kinds["openings.txt"] == zipfile.ZIP_DEFLATED


def test_what_a_holder_keeps_is_found_good_by_the_program_that_shares_no_code(counted, tmp_path):
    ballot = Ballot.objects.order_by("id").first()
    bundle_file, promise, proof = (tmp_path / name for name in ("b.zip", "promise", "proof"))
    with bundle_file.open("wb") as file:
        write_bundle(counted.pk, BundleKind.AUDITOR, file)
    promise.write_text(promise_of(ballot))
    proof.write_text(proof_of(ballot, read_agenda(counted.pk)))
    key = bundle(counted)["keys.txt"].decode().splitlines()[0]

    def check(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "ballot_verifier", "--json", "--key", key, *arguments],
            check=False,
            cwd=settings.BASE_DIR / "verifier",
            capture_output=True,
            text=True,
        )

    good = check(bundle_file, "--promise", promise, "--proof", proof)
    promise.write_text(promise_of(ballot).replace("cast 2024", "cast 2023"))
    bad = check(bundle_file, "--promise", promise)

    assert (good.returncode, bad.returncode) == (0, 1), good.stdout + good.stderr + bad.stdout

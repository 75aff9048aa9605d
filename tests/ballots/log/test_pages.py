"""What holders keep and what anybody may read, and what neither tells before the close."""

from __future__ import annotations

import base64
import gzip
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.test import Client
from django.urls import reverse

from ballots.log import commitment, tree
from ballots.log.commitment import Kind, code_of, prefix_of
from ballots.models import Checkpoint, MeetingLog
from identity import limits
from meetings import lifecycle, live
from meetings.log_keys import log_signer
from tests.ballots.log.test_sequencing import cast, log_everything
from tests.factories import make_meeting
from voting_portal.common.codes import grouped

pytestmark = pytest.mark.django_db
MOST_BYTES = 14 * 1024


@pytest.fixture
def meeting():
    return make_meeting()


@pytest.fixture(autouse=True)
def _fresh_limits():
    limits.forget()


def close(meeting):
    lifecycle.close_rehearsal_early(meeting.pk, by="operator:1")
    log_everything()
    live.forget()


def log_page(meeting, code=None, client=None):
    client = client or Client()
    address = reverse("ballots:log", args=[meeting.pk])
    return client.get(address) if code is None else client.post(address, {"code": code})


def visible(response):
    text = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", response.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", text)


def test_a_promise_is_signed_and_names_the_commitment(meeting, verified):
    (ballot,) = cast(meeting)
    client = verified(ballot.holder)

    note = client.get(reverse("ballots:promise-file", args=[meeting.pk])).text

    text, signature = note.split("\n\n")
    assert f"commitment {bytes(ballot.commitment).hex()}\n" in text
    signer = log_signer(1)
    blob = base64.b64decode(signature.split()[-1])[4:]
    Ed25519PublicKey.from_public_bytes(signer.public).verify(blob, f"{text}\n".encode())


def test_the_confirmation_to_print_has_code_and_picture_and_no_choice(meeting, verified):
    (ballot,) = cast(meeting)

    page = verified(ballot.holder).get(reverse("ballots:promise", args=[meeting.pk]))

    words = visible(page)
    assert grouped(ballot.code) in words
    assert "<svg" in page.text
    assert "60秒内记入" in words
    assert not re.search("同意|反对|弃权", words)
    assert len(gzip.compress(page.content)) < MOST_BYTES


def test_after_the_close_a_holder_sees_that_the_vote_is_in_and_the_final_root(meeting, verified):
    ballots = cast(meeting, 3)
    close(meeting)
    client = verified(ballots[1].holder)

    page = client.get(reverse("ballots:promise", args=[meeting.pk]))

    last = Checkpoint.objects.of_meeting(meeting.pk).latest("id")
    words = visible(page)
    assert "您的票已计入" in words
    assert bytes(last.root).hex() in words.replace(" ", "")


def test_the_proof_opens_the_ballot_and_leads_to_the_signed_root(meeting, verified):
    ballots = cast(meeting, 5)
    close(meeting)
    ballot = ballots[2]

    proof = verified(ballot.holder).get(reverse("ballots:proof", args=[meeting.pk]))

    assert proof["Content-Disposition"].endswith(f'{ballot.code}.tlog-proof"')
    head, checkpoint = proof.text.split("\n\n", 1)
    first, extra, index, *hashes = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1"
    opening = base64.b64decode(extra.removeprefix("extra "))
    bound = commitment.commit(opening[:16], opening[16:])
    assert bound == bytes(ballot.commitment)
    assert b"votes 1.00=F;2.00=A;3.00=3.01:300\n" in opening
    _origin, size, root, *_rest = checkpoint.split("\n")
    leaf = tree.leaf_hash(commitment.entry(Kind.BALLOT, bound))
    place = int(index.removeprefix("index "))
    path = [base64.b64decode(hashed) for hashed in hashes]
    found = tree.root_by_inclusion(leaf, place, int(size), path)
    assert found == base64.b64decode(root)


@pytest.mark.parametrize("page", ["promise", "promise-file", "proof"])
def test_nobody_else_gets_a_promise_or_a_proof(meeting, page):
    cast(meeting)

    response = Client().get(reverse(f"ballots:{page}", args=[meeting.pk]))

    assert (response.status_code, response["Location"]) == (302, "/start")


def test_before_the_close_there_is_no_proof_to_download(meeting, verified):
    (ballot,) = cast(meeting)
    log_everything()

    response = verified(ballot.holder).get(reverse("ballots:proof", args=[meeting.pk]))

    assert response.status_code == 303


def test_a_code_is_found_in_the_log_however_it_is_typed(meeting):
    (ballot,) = cast(meeting)
    log_everything()

    for typed in (ballot.code, grouped(ballot.code), f" {ballot.code.lower()}"):
        response = log_page(meeting, typed)
        assert response.context["answer"] == "logged"
        assert response.status_code == 200


def test_a_code_of_another_meeting_is_not_in_this_log(meeting):
    (ballot,) = cast(make_meeting())
    log_everything()

    assert log_page(meeting, ballot.code).context["answer"] == "unknown"


@pytest.mark.parametrize("typed", ["", "7K3M", "U" * 16, "确认码", "0" * 17])
def test_what_is_no_code_is_said_to_be_none(meeting, typed):
    response = log_page(meeting, typed)

    assert (response.status_code, response.context["answer"]) == (422, "malformed")


def test_who_asks_for_many_unknown_codes_is_told_to_wait(meeting):
    client = Client()
    for _ in range(limits.LOG_FAILURES.count):
        assert log_page(meeting, "0" * 16, client).status_code == 200

    assert log_page(meeting, "0" * 16, client).status_code == 429


def test_the_register_is_published_before_the_close_and_the_size_is_not(meeting):
    cast(meeting, 11)
    log_everything()

    page = log_page(meeting)
    note = Client().get(reverse("ballots:log-checkpoint", args=[meeting.pk])).text

    started = MeetingLog.objects.get(pk=meeting.pk)
    assert bytes(started.register_root).hex() in page.text
    assert note.split("\n")[1] == "1"
    assert "checkpoint" not in page.context
    assert len(gzip.compress(page.content)) < MOST_BYTES


def test_before_the_close_the_page_is_the_same_however_many_have_voted(
    meeting, django_assert_num_queries
):
    log_everything()
    pages, client = [], Client()
    log_page(meeting, client=client)
    for number in (0, 1, 7):
        cast(meeting, number)
        log_everything()
        with django_assert_num_queries(8):
            pages.append(re.sub(r'value="\w{64}"', "", log_page(meeting, client=client).text))

    assert len({re.sub(r"[0-9a-f]{12}", "", page) for page in pages}) == 1


def test_after_the_close_the_final_checkpoint_is_shown_in_groups_and_as_a_picture(meeting):
    cast(meeting, 2)
    close(meeting)

    page = log_page(meeting)
    note = Client().get(reverse("ballots:log-checkpoint", args=[meeting.pk])).text

    last = Checkpoint.objects.of_meeting(meeting.pk).latest("id")
    root = bytes(last.root).hex()
    assert " ".join(root[at : at + 8] for at in range(0, 64, 8)) in visible(page)
    assert "<svg" in page.text
    assert note.split("\n")[1:3] == ["4", base64.b64encode(bytes(last.root)).decode()]
    assert len(gzip.compress(page.content)) < MOST_BYTES


def test_a_meeting_that_is_not_public_has_no_page():
    assert log_page(make_meeting(state="DRAFT")).status_code == 404


def test_codes_are_the_first_bits_of_a_commitment():
    bound = bytes(range(250, 256)) + bytes(26)

    assert prefix_of(code_of(bound)) == bound[:10]
    assert prefix_of(code_of(b"\xff" * 32)) == b"\xff" * 10
    assert prefix_of("OIL" + "0" * 13) == prefix_of("011" + "0" * 13)


def test_the_last_possible_code_is_looked_up_like_any_other(meeting):
    assert log_page(meeting, "Z" * 16).context["answer"] == "unknown"

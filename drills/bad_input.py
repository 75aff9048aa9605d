"""Oversized, malformed and hostile requests: refused with 4xx, memory flat, no ballot by them."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from ballots.models import Ballot
from drills import Outcome
from drills.phones import CSRF, TRUSTING, Phone
from drills.processor_time import group_of
from drills.scene import Scene

ROUNDS_QUICK, ROUNDS_FULL = 2, 30
MOST_GROWTH_MB = 60.0


def run(scene: Scene) -> Outcome:
    outcome = Outcome()
    load = scene.load("bad_input")
    (phone,) = load.verified(1)
    before = _memory(scene)
    sent = 0
    for _round in range(ROUNDS_QUICK if scene.is_quick else ROUNDS_FULL):
        for name, request in _requests(phone).items():
            status = _status(scene.portal, request)
            sent += 1
            outcome.expect(status == 0 or 300 <= status < 500, f"{name}: HTTP {status} and not 4xx")
        is_in = Ballot.objects.filter(holder_id=phone.person.holder).exists()
        outcome.expect(not is_in, "TWICE: a malformed ballot was taken")
    growth = _memory(scene) - before
    outcome.expect(growth < MOST_GROWTH_MB, f"the web servers grew by {growth:.0f} MB")
    status = scene.installation.readiness("web-1")[0]
    outcome.expect(status == 200, f"/ready is {status} afterwards")
    load.note(phone, phone.cast())
    load.settle()
    outcome.did = (
        f"{sent} hostile requests of {len(_requests(phone))} kinds, memory {growth:+.0f} MB"
    )
    return outcome


def _requests(phone: Phone) -> dict[str, bytes]:
    """Every way in which a browser or somebody who plays one may send nonsense, by name."""
    meeting = phone.person.meeting
    cookies = "; ".join(f"{name}={value}" for name, value in phone.cookies.items())
    form = phone._form()
    plain = next(name for name in form if name.startswith("m-"))
    number = next(name for name in form if name.startswith("c-"))

    def cast(
        body: bytes, *, kind: str = "application/x-www-form-urlencoded", **headers: str
    ) -> bytes:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        return (
            f"POST /m/{meeting}/cast HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Origin: https://{phone.portal[0]}:{phone.portal[1]}\r\nCookie: {cookies}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        ).encode() + body

    def get(path: str, headers: str = "") -> bytes:
        return (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}\r\n".encode()
        )

    def changed(**fields: str) -> bytes:
        from urllib.parse import urlencode

        return cast(urlencode({**form, **fields}).encode())

    return {
        "a header of a megabyte": get("/", f"X-Big: {'a' * 1_000_000}\r\n"),
        "an address of 100 kB": get("/v/" + "a" * 100_000),
        "a body of 3 MB": cast(b"a" * 3_000_000),
        "100,000 fields": cast(b"&".join(b"f%d=1" % n for n in range(100_000))),
        "6,000 fields": cast(b"&".join(b"f%d=1" % n for n in range(6_000))),
        "bytes that are no UTF-8": cast(b"mark=%ff%fe&" + b"\xff\xfe\x00" * 50),
        "JSON for a form": cast(b'{"mark": 1}', kind="application/json"),
        "half a multipart": cast(b"--x\r\nContent-Disp", kind="multipart/form-data; boundary=x"),
        "an opinion that is none": changed(**{plain: "YES"}),
        "an opinion with a NUL": changed(**{plain: "FOR\0"}),
        "votes below zero": changed(**{number: "-1"}),
        "votes of 5,000 digits": changed(**{number: "9" * 5_000}),
        "more votes than shares": changed(**{number: "9" * 18}),
        "votes that are no number": changed(**{number: "1e9"}),
        "a form of another holder": changed(mark="x" * 500),
        "no form at all": cast(f"csrfmiddlewaretoken={CSRF}".encode()),
        "a forged token": cast(b"csrfmiddlewaretoken=" + b"x" * 32),
        "two lengths": cast(b"a=1", Content_length="30"),
        "a length and chunks": cast(
            b"0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n", Transfer_Encoding="chunked"
        ),
        "a method that is none": b"VOTE / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        "no HTTP": b"\x16\x03\x01\x02\x00" + b"\x00" * 512 + b"\r\n\r\n",
        "another host": b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "a path with NUL": get("/v/%00%00"),
        "a path upwards": get("/static/../../etc/passwd"),
        "cookies of 6 kB": get(
            f"/m/{meeting}/ballot", f"Cookie: voter-{meeting}={'x' * 6_000}\r\n"
        ),
        "a meeting of 40 digits": get(f"/m/{'9' * 40}/ballot"),
    }


def _status(portal: tuple[str, int], request: bytes) -> int:
    """The status of the answer; 0 when the connection was closed without one."""
    with socket.create_connection(portal, timeout=15, source_address=("127.8.8.8", 0)) as plain:
        client = TRUSTING.wrap_socket(plain)
        with contextlib.suppress(OSError):  # refused before it was read; the answer may be there
            client.sendall(request)
        try:
            said = client.recv(65_536)
        except OSError:
            return 0
        finally:
            client.close()
    words = said.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") else 0


def _memory(scene: Scene) -> float:
    """Resident megabytes of both web servers."""
    pages = 0
    for web in scene.installation.web:
        for pid in group_of(web.pid):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4_096 / 1e6

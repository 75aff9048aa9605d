"""After a whole meeting, played over HTTP with worker and carrier, nothing secret lies about."""

from __future__ import annotations

import csv
import mmap
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
import redis

from meetings.register import synthetic
from tests.checkout import Checkout
from voting_portal import embedded
from voting_portal.demo.data import SECURITY_CODE
from voting_portal.gateways.simulator.inbox import Inbox
from voting_portal.management.commands.smoke import HOLDERS

pytestmark = pytest.mark.servers
LINK, CODE = re.compile(r"/v/([0-9A-Za-z]{25})"), re.compile(r"验证码(\d{6})")
HANDSETS = "simulator.sqlite3"  # the phones themselves, which must know


@dataclass
class Secrets:
    """What was secret, as bytes, by kind and length."""

    runs: dict[bytes, set[bytes]] = field(default_factory=dict)
    codes: set[bytes] = field(default_factory=set)

    def found_in(self, content: bytes | mmap.mmap) -> set[bytes]:
        """Links, phones, ID numbers and names, wherever in a run of their characters."""
        return {
            part
            for pattern, secrets in self.runs.items()
            for run in re.finditer(pattern, content)
            for length in {len(secret) for secret in secrets}
            for part in windows(run[0], length)
            if part in secrets
        }

    def codes_in(self, text: bytes) -> set[bytes]:
        """Codes that stand alone: six digits within a longer number or a time mean nothing."""
        return set(re.findall(rb"(?<![\d.])\d{6}(?![\d.])", text)) & self.codes


def windows(run: bytes, length: int) -> Iterator[bytes]:
    return (run[at : at + length] for at in range(len(run) - length + 1))


def secrets_of(register: Path, inbox: Path) -> Secrets:
    with register.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = {row["联系电话"] for row in rows} | {row["证件号码"] for row in rows}
    messages = Inbox(inbox).read(limit=10 * HOLDERS)
    texts = [message.text for message in messages]
    assert {message.phone for message in messages} <= numbers  # the register that was loaded
    names = {row["持有人名称"] for row in rows}
    return Secrets(
        runs={
            rb"[0-9A-Za-z]{25,}": {m.encode() for text in texts for m in LINK.findall(text)},
            rb"[0-9X]{11,}": {n.encode() for n in numbers if len(n) in {11, 18} and n.isascii()},
            rb"(?:[\xe4-\xe9][\x80-\xbf]{2}){3,}": {n.encode() for n in names if len(n) in {3, 4}},
        },
        codes={m.encode() for text in texts for m in CODE.findall(text)},
    )


def swept(secrets: Secrets, *folders: Path) -> tuple[int, dict[str, set[bytes]]]:
    """How many files there are, and what those hold that hold something."""
    files = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size and not path.name.startswith(HANDSETS)
    ]
    found = {}
    for path in files:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
            if hits := secrets.found_in(content):
                found[str(path)] = hits
    return len(files), found


def dumped(checkout: Checkout, *arguments: str) -> bytes:
    """pg_dump's text of the meeting that was played; what is bytea stands there as bytes."""
    command = [
        *embedded._postgres_program("pg_dump"),
        *(f"--host={checkout.sockets()}", "--username=portal", *arguments, "portal_smoke"),
    ]
    text = subprocess.run(command, capture_output=True, check=True).stdout
    return re.sub(rb"\\\\x((?:[0-9a-f]{2})+)", lambda m: bytes.fromhex(m[1].decode()), text)


def kept_in_redis(url: str) -> bytes:
    """All keys and values of the database that the processes used."""
    client = redis.Redis.from_url(url)
    readers = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1),
    }
    kept = [(key, readers[client.type(key)](key)) for key in client.scan_iter()]
    client.close()
    assert kept
    return repr(kept).encode()


@pytest.fixture
def temporary(monkeypatch):
    """The temporary directory of every process of the copy; a socket's path in it must be short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        monkeypatch.setenv("TMPDIR", directory)
        yield Path(directory)


@pytest.fixture
def checkout(tmp_path, temporary):
    copy = Checkout.at_a_long_path(tmp_path)
    sockets = copy.sockets()
    try:
        yield copy
    finally:
        copy.run("manage.py", "embedded", "stop")
        shutil.rmtree(sockets, ignore_errors=True)


def test_after_the_whole_journey_nothing_that_was_secret_lies_about(checkout, tmp_path, temporary):
    journey = checkout.begin("manage.py", "smoke", LOG_LEVEL="DEBUG")
    said, _ = journey.communicate(timeout=240)
    assert journey.returncode == 0, said
    register = tmp_path / "register.csv"
    synthetic.write_register(
        register,
        holders=HOLDERS,
        format="csv",
        seed=1,
        security_code=SECURITY_CODE,
        record_date=date(2026, 1, 5),
    )
    secrets = secrets_of(register, checkout.data / HANDSETS)
    links, _numbers, _names = secrets.runs.values()
    assert len(links) > 1_000
    assert len(secrets.codes) >= 2

    redis_url = checkout.run("-c", "from voting_portal import embedded; print(embedded.REDIS_URL)")
    in_redis = kept_in_redis(f"{redis_url.strip()}?db=1")
    dump = dumped(checkout)
    logs = {path.name: path.read_bytes() for path in (checkout.data / "smoke/logs").glob("*.log")}
    files, found = swept(secrets, checkout.data, temporary)

    assert {"web.log", "worker.log", "simulator.log"} <= logs.keys()
    assert b"/v/" in logs["web.log"]  # something was logged
    assert b"COPY public.meetings_holder" in dump
    assert files > 500
    assert not found
    assert not secrets.found_in(dump)
    assert not secrets.found_in(in_redis)
    every_command = (path for path in checkout.data.rglob("appendonly*") if path.is_file())
    whole_redis = b"".join(path.read_bytes() for path in every_command)
    assert whole_redis
    challenges = dumped(checkout, "--data-only", "--table=identity_challenge")
    for text in (*logs.values(), in_redis, whole_redis, challenges):
        assert not secrets.codes_in(text)


@pytest.mark.parametrize(
    "content",
    [
        b"GET /v/abcdeABCDE0123456789vwxyz HTTP/1.1",
        b"\x00BabcdeABCDE0123456789vwxyz",  # a character that happens to stand before it
        b"sent to 15400000001, accepted",
        b"x9915400000001",
        "欧阳虚构的表决".encode(),
    ],
)
def test_the_sweep_finds_what_is_there(tmp_path, content):
    secrets = Secrets(
        runs={
            rb"[0-9A-Za-z]{25,}": {b"abcdeABCDE0123456789vwxyz"},
            rb"[0-9X]{11,}": {b"15400000001"},
            rb"(?:[\xe4-\xe9][\x80-\xbf]{2}){3,}": {"欧阳虚构".encode()},
        },
        codes={b"123456"},
    )
    (tmp_path / "file").write_bytes(b"\xff" * 100 + content)

    files, found = swept(secrets, tmp_path)

    assert (files, len(found)) == (1, 1)
    assert secrets.codes_in(b"code 123456, please") == {b"123456"}
    assert secrets.codes_in(b"at 12.123456 s, 1234567") == set()

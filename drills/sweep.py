"""After all drills, no link, phone, name, ID number or code lies in logs, dumps, Redis or files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from drills import Outcome
from drills.scene import Scene
from identity.links import personal_url
from meetings.models import Holder
from meetings.register.records import open_person
from tests.security.test_sweep import CODE, HANDSETS, Secrets, kept_in_redis
from voting_portal.embedded import _postgres_program
from voting_portal.gateways.simulator.inbox import Inbox

NEWEST_CODES = 30  # six digits stand somewhere by chance: thousands of codes would all be "found"


def run(scene: Scene) -> Outcome:
    """Kills leave behind what an orderly end would have tidied up."""
    outcome = Outcome()
    secrets = _secrets(scene)
    installation = scene.installation
    logs = [*installation.logs.glob("*.log"), *installation.proxy.glob("*.log")]
    # The handsets' own memory must know; the drills' phones kept theirs in this process.
    files = 0
    for file in _files(scene):
        files += 1
        hits = secrets.found_in(file.read_bytes())
        outcome.expect(not hits, f"SECRET: {file.name} holds {len(hits)} secrets")
    for name, content in (
        ("the dump of the database", _dump(installation.sockets)),
        ("Redis", kept_in_redis(f"unix://{installation.redis_socket}?db=0")),
    ):
        outcome.expect(not secrets.found_in(content), f"SECRET: {name} holds secrets")
    for log in logs:
        hits = secrets.codes_in(log.read_bytes())
        outcome.expect(not hits, f"SECRET: {log.name} holds one-time codes")
    kinds = sum(len(kind) for kind in secrets.runs.values())
    outcome.did = (
        f"{kinds:,} secrets looked for in {files:,} files, {len(logs)} logs, a dump and Redis"
    )
    return outcome


def _files(scene: Scene) -> Iterator[Path]:
    """Whatever the processes wrote, but for the handsets' own memory, which must know.

    A quick sweep leaves out the database's own files: what they hold is in the dump as well.
    """
    for folder in (scene.installation.data / "servers", scene.installation.sockets):
        for path in folder.rglob("*"):
            is_dumped = scene.is_quick and scene.installation.pgdata in path.parents
            if not is_dumped and not path.name.startswith(HANDSETS) and path.is_file():
                yield path


def _secrets(scene: Scene) -> Secrets:
    """Of every holder of every meeting of the drills."""
    holders = list(Holder.objects.all())
    people = [open_person(holder) for holder in holders]
    links = {
        personal_url(holder.pk, holder.link_generation).rpartition("/")[2] for holder in holders
    }
    numbers = {p.phone for p in people} | {p.id_number for p in people}
    inbox = Inbox(scene.installation.inbox)
    texts = [message.text for message in inbox.read(limit=5_000)]
    inbox.close()
    codes = [code for text in texts for code in CODE.findall(text)][:NEWEST_CODES]
    return Secrets(
        runs={
            rb"[0-9A-Za-z]{25,}": {link.encode() for link in links},
            rb"[0-9X]{11,}": {n.encode() for n in numbers if len(n) in {11, 18} and n.isascii()},
            rb"(?:[\xe4-\xe9][\x80-\xbf]{2}){3,}": {
                p.name.encode() for p in people if len(p.name) in {3, 4}
            },
        },
        codes={code.encode() for code in codes},
    )


def _dump(sockets: Path) -> bytes:
    """pg_dump's text; what is bytea stands there as bytes."""
    command = [
        *_postgres_program("pg_dump"),
        *(f"--host={sockets}", "--username=portal", "portal"),
    ]
    text = subprocess.run(command, capture_output=True, check=True).stdout
    return re.sub(rb"\\\\x((?:[0-9a-f]{2})+)", lambda m: bytes.fromhex(m[1].decode()), text)

"""A new version under traffic: gunicorn behind the real nginx, and not one request is dropped."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ballots.models import Ballot
from tests.deploy.crowd import VOTERS, Crowd, filled_in
from tests.deploy.serving import free_port, gunicorn
from tests.factories import make_holders, make_meeting
from tests.house.test_nginx import NGINX, configuration, wait_for, write_certificate

pytestmark = [
    pytest.mark.servers,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(NGINX is None, reason="LEFT OUT: no nginx on this machine"),
]


@contextmanager
def nginx(directory, *, upstream: int) -> Iterator[int]:
    """The deployed nginx in front of a port; its own port."""
    directory.chmod(0o755)
    write_certificate(directory)
    https, http_port = free_port(), free_port()
    file = directory / "nginx.conf"
    file.write_text(configuration(directory, upstream=upstream, https=https, http=http_port))
    running = subprocess.Popen(
        [
            *(NGINX, "-e", str(directory / "error.log"), "-p", str(directory)),
            *("-c", str(file), "-g", "daemon off;"),
        ]
    )
    try:
        wait_for(https)
        yield https
    finally:
        running.terminate()
        running.wait(60)


def test_a_rolling_restart_drops_no_request(tmp_path):
    meeting = make_meeting()
    make_holders(meeting, VOTERS)
    forms = filled_in(meeting)
    env = {"PUBLIC_URL": "https://vote.example", "PROXY_HOPS": "1"}
    with (
        gunicorn(tmp_path, workers=2, threads=4, **env) as served,
        nginx(tmp_path, upstream=served.port) as port,
    ):
        crowd = Crowd(port, meeting.pk, forms)
        people = [threading.Thread(target=crowd.look) for _each in range(3)]
        people += [threading.Thread(target=crowd.vote) for _each in range(3)]
        for person in people:
            person.start()
        for _restart in range(3):
            time.sleep(2)
            served.send(signal.SIGHUP)
        time.sleep(3)
        crowd.over.set()
        for person in people:
            person.join()

    told = (tmp_path / "access.log").read_text().splitlines()
    dropped = [line for line in told if json.loads(line)["status"] not in {200, 303}]
    assert dropped == [], served.log.read_text()
    assert crowd.broken == []
    assert set(crowd.looks) == {200}
    assert {status for _holder, status in crowd.casts} == {303}
    assert len(crowd.casts) > 10
    assert served.log.read_text().count("Hang up") == 3
    assert set(Ballot.objects.values_list("holder_id", flat=True)) == {h for h, _s in crowd.casts}

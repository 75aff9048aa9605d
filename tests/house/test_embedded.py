"""The servers of a checkout, in a copy of it at a long path: two shells, kill -9, stale locks."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.checkout import Checkout, is_alive

pytestmark = pytest.mark.servers

STARTED = "Started embedded PostgreSQL and Redis"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    copy = Checkout.at_a_long_path(tmp_path_factory.mktemp("checkout"))
    sockets = copy.sockets()
    try:
        yield copy
    finally:
        copy.run("manage.py", "embedded", "stop")
        shutil.rmtree(sockets)


@pytest.fixture
def running(checkout):
    checkout.run("manage.py", "embedded", "start")
    return checkout


def test_a_socket_fits_whatever_the_path_of_the_checkout(running):
    longest = max(len(str(path)) for path in running.sockets().iterdir())

    assert len(str(running.path)) >= 150
    assert longest < 100


def test_two_shells_that_start_at_once_get_one_server(checkout):
    checkout.run("manage.py", "embedded", "stop")

    shells = [checkout.begin("manage.py", "embedded", "start") for _shell in range(2)]
    said = [shell.communicate(timeout=60)[0] for shell in shells]

    assert [shell.returncode for shell in shells] == [0, 0], said
    assert "".join(said).count("Started embedded") in {1, 2}  # each of the two servers once
    assert "".join(said).count("PostgreSQL and Redis;") + "".join(said).count("PostgreSQL;") == 1
    assert all(is_alive(pid) for pid in checkout.servers().values())


def test_starting_what_runs_changes_nothing(running):
    before = running.servers()

    said = running.run("manage.py", "embedded", "start")

    assert "Started" not in said
    assert running.servers() == before


def test_after_kill_9_the_servers_come_back(running):
    before = running.servers()
    running.kill()
    assert "postgres/postmaster.pid" in {
        str(path.relative_to(running.data)) for path in running.data.rglob("*.pid")
    }

    said = running.run("manage.py", "embedded", "start")

    assert STARTED in said
    assert not set(before.values()) & set(running.servers().values())


def test_a_lock_whose_number_another_program_has_by_now_is_recovered_from(running):
    running.kill()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        for lock in (
            running.data / "postgres/postmaster.pid",
            running.sockets() / ".s.PGSQL.5432.lock",
        ):
            lines = lock.read_text().splitlines()
            lock.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")

        said = running.run("manage.py", "embedded", "start")

        assert STARTED in said
        assert bystander.poll() is None
    finally:
        bystander.terminate()
        bystander.wait()


def test_a_checkout_removed_while_its_servers_ran_can_be_made_anew(running):
    before = running.servers()
    shutil.rmtree(running.data)

    said = running.run("manage.py", "embedded", "start")

    assert STARTED in said
    assert not any(is_alive(pid) for pid in before.values())
    assert "PostgreSQL: running" in running.run("manage.py", "embedded", "status")


def test_status_and_stop_say_what_is_so(running):
    assert "PostgreSQL: running" in running.run("manage.py", "embedded", "status")

    stopped = running.run("manage.py", "embedded", "stop")

    assert "PostgreSQL: stopped" in stopped
    assert "Redis: stopped" in stopped

"""Every process writes its log in one schema (deploy/monitoring/log.schema.json), masked."""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.deploy.serving import database_url, gunicorn
from tests.house.test_environment import ROOT
from tests.monitoring.log_lines import SCHEMA, faults_of, faulty
from tests.security.test_security_record import FACTS
from tests.security.test_security_record import SCHEMA as OF_THE_RECORD
from voting_portal import tasks
from voting_portal.common.logs import JsonFormatter, request_id

START = '{"at": "2026-11-22T22:27:00+00:00", "level": "INFO", "logger": "a", "request": ""'
# Celery says it past every log, when it is told to end.
LAST_WORDS = {"", "worker: Warm shutdown (MainProcess)"}


def record(message: str, *facts: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("ballots.log", logging.ERROR, __file__, 1, message, facts, None)
    vars(made).update(more)
    return made


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "[1]",
        '{"at": "2026-11-22T22:27:00.840+00:00", "level": "INFO", "logger": "a", "request": ""}',
        '{"at": "today", "level": "INFO", "logger": "a", "request": "", "message": ""}',
        f'{START}, "message": "", "phone": "1"}}',
        f'{START}, "message": 7}}',
    ],
    ids=["text", "a list", "lacking", "no time", "something unknown", "a number"],
)
def test_what_is_no_such_line_is_found(line):
    assert faults_of(line)


def test_a_line_says_where_and_in_which_request_and_nothing_personal():
    token = request_id.set("0123456789ab")
    try:
        raise ValueError("phone 15400000001 of /v/1abcd2efgh3ijkl4mnop5qrst")
    except ValueError:
        failed = record("row of %s", "110105194912310021", exc_info=sys.exc_info())
        line = JsonFormatter().format(failed)
    finally:
        request_id.reset(token)

    assert faults_of(line) == []
    said = json.loads(line)
    assert said["request"] == "0123456789ab"
    assert said["message"] == "row of […]"
    assert "ValueError: phone […] of /v/1abcd…" in said["error"]
    assert "\n" not in line


def test_what_the_security_record_may_say_is_in_the_schema():
    assert set(SCHEMA["properties"]) >= OF_THE_RECORD | FACTS


# --- Processes ---------------------------------------------------------------------------------


def lines_of(log: Path) -> list[str]:
    return log.read_text().splitlines()


def run_for_a_while(
    log: Path, *command: str, until: str, times: int = 1, **environment: str
) -> list[str]:
    """What a process says, on both its outputs, from its start until it is told to end.

    That is when it has said `until` so many times.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=settings.BASE_DIR,
            env=os.environ
            | {"DATABASE_URL": database_url(), "REDIS_URL": settings.REDIS_URL}
            # As root, which no container is, Celery warns before anything is set up.
            | {"LOG_LEVEL": "INFO", "PYTHONWARNINGS": "ignore"}
            | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 40
        while log.read_text().count(until) < times:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return lines_of(log)


def program_of(service: str) -> list[str]:
    """What docker-compose.yml has a service run, saying more."""
    compose = (ROOT / "docker-compose.yml").read_text()
    written = compose.partition(f"\n  {service}:\n")[2].partition("command:")[2]
    command = written.removeprefix(" >-\n").partition("\n    restart")[0]
    words = command.partition("healthcheck")[0].partition("stop_grace")[0].split()
    words = [word for word in words if not word.startswith(("--loglevel", "--schedule"))]
    return ["-m", *words, "--loglevel=INFO"] if words[0] == "celery" else words[1:]


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_every_line_of_beat_and_of_the_sequencer_is_one(tmp_path):
    schedule = f"--schedule={tmp_path}/beat"
    beat = run_for_a_while(
        tmp_path / "beat.log", *program_of("beat"), schedule, until="Sending due task"
    )
    sequencer = run_for_a_while(
        tmp_path / "sequencer.log", *program_of("sequencer"), until="Sequencing"
    )

    assert beat
    assert sequencer
    assert faulty([line for line in beat + sequencer if line not in LAST_WORDS]) == []


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_the_lines_of_a_task_name_the_request_that_asked_for_it(tmp_path):
    token = request_id.set("0123456789ab")
    tasks.note_the_time.delay()
    request_id.reset(token)
    tasks.note_the_time.delay()

    lines = run_for_a_while(
        tmp_path / "log", *program_of("worker-periodic"), until="succeeded", times=2
    )

    own = [line for line in lines if line not in LAST_WORDS]
    assert faulty(own) == []
    ended = [json.loads(line)["request"] for line in own if "succeeded in" in line]
    assert "0123456789ab" in ended
    assert len({found for found in ended if len(found) == 12}) == 2


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_every_line_of_a_web_server_is_one_and_names_its_request(tmp_path):
    assert connection.settings_dict["NAME"]
    with gunicorn(tmp_path, workers=1, ACCESS_LOG="on", LOG_LEVEL="INFO") as served:
        client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        client.request("POST", "/m/1/leave", headers={"Host": "vote.example"})
        answer = client.getresponse()
        answer.read()
        client.request("GET", "/v/1abcd2efgh3ijkl4mnop5qrst", headers={"Host": "vote.example"})
        client.getresponse().read()
        client.close()

    lines = lines_of(served.log)

    assert faulty(lines) == []
    loggers = {json.loads(line)["logger"] for line in lines}
    assert loggers >= {"gunicorn.error", "gunicorn.access", "security"}
    ids = {json.loads(line)["request"] for line in lines if '"security"' in line}
    assert ids == {answer.headers["X-Request-Id"]}
    assert "2efgh3ijkl4mnop5qrst" not in served.log.read_text()


@pytest.mark.servers
def test_an_error_that_nobody_caught_is_a_line_and_no_text():
    dies = """
import threading, warnings
import django
django.setup()
from voting_portal.common.logs import write_what_escapes
write_what_escapes()
warnings.warn("account A123456789")
thread = threading.Thread(target=lambda: {}["15400000001"])
thread.start()
thread.join()
raise ValueError("holder 15400000001")
"""
    done = subprocess.run(
        [sys.executable, "-c", dies],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "voting_portal.settings"},
        capture_output=True,
        text=True,
        check=False,
    )

    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert [json.loads(line)["logger"] for line in lines] == ["py.warnings", "process", "process"]
    assert faulty(lines) == []
    assert "15400000001" not in done.stderr
    assert "A123456789" not in done.stderr

"""What an installation sets: every variable is explained, passed on, and every queue is served."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from voting_portal.celery import app

ROOT = Path(settings.BASE_DIR)
READS = re.compile(
    r"""env\.(?:optional|required|secret|words|number|switch|gateways|identity_providers)\(\s*"(\w+)"|"""
    r"""environ(?:\.get\(\s*|\[)"(\w+)\""""
)
# Constants of the code, not choices.
SET_BY_US = {"DJANGO_SETTINGS_MODULE", "PROMETHEUS_MULTIPROC_DIR"}
COMPOSE_ONLY = {
    *("SECRETS", "WAL_ARCHIVE", "BACKUPS_KEPT"),
    *("HTTP_PORT", "HTTPS_PORT", "SOCKET_GATEWAY"),
}


def variables_read() -> set[str]:
    """Names of all environment variables that the portal's code asks for."""
    files = [*ROOT.glob("voting_portal/**/*.py"), *ROOT.glob("deploy/*.py"), ROOT / "manage.py"]
    for app_name in ("ballots", "identity", "meetings", "notifications", "retention"):
        files += ROOT.glob(f"{app_name}/**/*.py")
    found = [READS.findall(file.read_text()) for file in files]
    return {name for names in found for pair in names for name in pair if name} - SET_BY_US


def variables_explained() -> dict[str, str]:
    """Name -> the comment above it in .env.example."""
    explained, comment = {}, ""
    for line in (ROOT / ".env.example").read_text().splitlines():
        if named := re.match(r"#?([A-Z_]+)=", line):
            explained[named[1]] = comment
        elif line.startswith("# "):
            comment = line[2:]
        else:
            comment = ""
    return explained


def test_every_variable_read_stands_in_env_example_and_no_other():
    assert set(variables_explained()) - COMPOSE_ONLY == variables_read()


def test_no_variable_is_without_a_line_of_explanation():
    first_of_a_group = [name for name, comment in variables_explained().items() if not comment]

    assert not first_of_a_group


def test_every_variable_of_compose_is_explained():
    compose = (ROOT / "docker-compose.yml").read_text()

    asked = set(re.findall(r"\$\{([A-Z_]+)", compose))

    assert asked <= set(variables_explained())
    assert asked >= COMPOSE_ONLY


def test_every_queue_has_a_worker_in_compose_and_in_the_demo():
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    queues = routed | {settings.CELERY_TASK_DEFAULT_QUEUE}
    compose = (ROOT / "docker-compose.yml").read_text()
    demo = (ROOT / "voting_portal/demo/processes.py").read_text()

    served = set(",".join(re.findall(r"--queues=([\w,]+)", compose)).split(","))
    served_by_the_demo = set(",".join(re.findall(r"--queues=([\w,]+)", demo)).split(","))

    assert served == queues
    assert served_by_the_demo == queues


def test_every_scheduled_and_routed_task_exists():
    app.loader.import_default_modules()
    named = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    named |= set(settings.CELERY_TASK_ROUTES)

    assert named <= set(app.tasks)


def compose_program() -> list[str]:
    """The command that reads a compose file, or nothing; no engine is needed for that."""
    for program in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(program[0]):
            asked = subprocess.run([*program, "version"], capture_output=True, check=False)
            if asked.returncode == 0:
                return program
    return []


@pytest.mark.skipif(
    not compose_program(),
    reason="LEFT OUT: no docker compose on this machine; docker-compose.yml was read as text only",
)
@pytest.mark.parametrize(
    "missing", ["SECRETS", "WAL_ARCHIVE", "PUBLIC_URL", "STAFF_URL", "ALLOWED_HOSTS"]
)
def test_compose_says_what_is_missing(missing, tmp_path):
    good = {
        "PATH": os.environ["PATH"],
        "SECRETS": str(tmp_path),
        "PUBLIC_URL": "https://vote.example.cn",
        "STAFF_URL": "https://staff.vote.example.cn",
        "WAL_ARCHIVE": str(tmp_path),
        "ALLOWED_HOSTS": "vote.example.cn,staff.vote.example.cn",
    }
    (tmp_path / "empty.env").touch()
    command = [*compose_program(), "--file", str(ROOT / "docker-compose.yml")]
    command += ["--env-file", str(tmp_path / "empty.env"), "config", "--quiet"]

    complete = subprocess.run(command, env=good, capture_output=True, text=True, check=False)
    del good[missing]
    refused = subprocess.run(command, env=good, capture_output=True, text=True, check=False)

    assert complete.returncode == 0, complete.stderr
    assert refused.returncode != 0
    assert f"set {missing} in .env" in refused.stderr

"""Production settings come from the environment, and weak ones do not start."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys

import pytest
from django.conf import settings

PORTAL_VARIABLES = {
    "PORTAL_ENV": "production",
    "PUBLIC_URL": "https://vote.example.cn",
    "ALLOWED_HOSTS": "vote.example.cn",
    "DATABASE_URL": "postgresql://portal@db.invalid/portal",
    "DATABASE_PASSWORD": "not-this-one",
    "REDIS_URL": "redis://redis.invalid:6379/0",
}


@pytest.fixture
def environment(tmp_path):
    """What a good installation sets, and nothing of this shell but the way to programs."""
    keys = tmp_path / "keys.json"
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    keys.write_text(json.dumps({"current": "1", "keys": {"1": key}}))
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    gateways = tmp_path / "gateways.json"
    sms = {"dialect": "http_batch", "url": "https://sms.example", "secret": "s", "rate": 500}
    gateways.write_text(json.dumps({"sms": sms}))
    for file in (keys, gateways):
        file.chmod(0o600)
    return {
        **PORTAL_VARIABLES,
        "PATH": os.environ["PATH"],
        "SECRET_KEY": secrets.token_urlsafe(64),
        "KEYSTORE_FILE": str(keys),
        "MEETING_KEYS_DIR": str(folder),
        "ARCHIVE_DIR": str(folder),
        "GATEWAYS_FILE": str(gateways),
    }


def start(environment, *arguments):
    """Read the settings as every process does, or run a command of manage.py."""
    program = ["manage.py", *arguments] if arguments else ["-c", "import voting_portal.settings"]
    return subprocess.run(
        [sys.executable, "-W", "error", *program],
        env={name: value for name, value in environment.items() if value is not None},
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("url", ["tls://smpp.example:2775", "tcp://10.1.2.3:7890"])
def test_a_carrier_on_a_line_of_its_own_needs_no_https(environment, url):
    smpp = {"dialect": "smpp", "url": url, "rate": 100}
    environment |= {"GATEWAYS_FILE": None, "GATEWAYS": json.dumps({"sms": smpp})}

    started = start(environment)

    assert started.returncode == 0, started.stderr


def test_a_good_environment_passes_every_check_for_deployment(environment):
    checked = start(environment, "check", "--deploy", "--fail-level", "WARNING")

    assert checked.returncode == 0, checked.stderr
    assert "no issues" in checked.stdout


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SECRET_KEY", None, "SECRET_KEY must be set"),
        ("SECRET_KEY", "change-me", "SECRET_KEY is weak"),
        ("SECRET_KEY", "a" * 80, "SECRET_KEY is weak"),
        ("KEYSTORE_FILE", None, "KEYSTORE_FILE must be set"),
        ("MEETING_KEYS_DIR", None, "MEETING_KEYS_DIR must be set"),
        ("ARCHIVE_DIR", None, "ARCHIVE_DIR must be set"),
        ("PUBLIC_URL", None, "PUBLIC_URL must be set"),
        ("PUBLIC_URL", "http://vote.example.cn", "PUBLIC_URL must begin with https://"),
        ("ALLOWED_HOSTS", None, "ALLOWED_HOSTS must name the hosts"),
        ("ALLOWED_HOSTS", "*", "ALLOWED_HOSTS must name the hosts"),
        ("DATABASE_URL", None, "DATABASE_URL must be set"),
        ("REDIS_URL", None, "REDIS_URL must be set"),
        ("SIMULATOR_URL", "http://127.0.0.1:8001", "unset SIMULATOR_URL"),
        ("GATEWAYS_FILE", None, "GATEWAYS must be set"),
        ("GATEWAYS_FILE", "/nowhere/gateways", "GATEWAYS_FILE: cannot read /nowhere/gateways"),
        (
            "GATEWAYS",
            '{"sms": {"dialect": "http_batch", "url": "http://sms.example", "rate": 5}}',
            "reached over https://",
        ),
        ("GATEWAYS", '{"sms": {"url": "https://sms.example"}}', "sms lacks dialect, rate"),
        ("GATEWAYS", "sms", "GATEWAYS is not JSON"),
        ("PROXY_HOPS", "one", "PROXY_HOPS must be a whole number"),
    ],
)
def test_a_weak_or_missing_value_stops_the_start(environment, variable, value, said):
    started = start({**environment, variable: value})

    assert started.returncode != 0
    assert "ImproperlyConfigured" in started.stderr
    assert said in started.stderr


def test_a_refusal_does_not_repeat_the_secret(environment):
    weak = "weak-secret-weak-secret"

    started = start({**environment, "SECRET_KEY": weak})

    assert weak not in started.stderr + started.stdout


@pytest.mark.parametrize("development_only", ["demo", "smoke"])
def test_what_is_for_development_does_not_run_in_production(environment, development_only):
    started = start(environment, development_only)

    assert started.returncode != 0
    assert "for development" in started.stderr


def test_the_key_file_must_be_there_whole_and_private(environment, tmp_path):
    missing = start({**environment, "KEYSTORE_FILE": str(tmp_path / "none")}, "check")
    empty = tmp_path / "empty.json"
    empty.write_text("{}")
    without_keys = start({**environment, "KEYSTORE_FILE": str(empty)}, "check")
    (tmp_path / "keys.json").chmod(0o644)
    open_to_all = start(environment, "check")

    assert "portal.E001" in missing.stderr
    assert "portal.E002" in without_keys.stderr
    assert "portal.E003" in open_to_all.stderr
    assert 0 not in {missing.returncode, without_keys.returncode, open_to_all.returncode}


def test_files_of_other_programs_are_none_of_its_business(environment, tmp_path):
    certificates = tmp_path / "certificates.pem"
    certificates.touch(0o644)

    checked = start({**environment, "SSL_CERT_FILE": str(certificates)}, "check")

    assert checked.returncode == 0, checked.stderr


def test_a_secret_file_open_to_everybody_is_named(environment, tmp_path):
    (tmp_path / "gateways.json").chmod(0o644)

    checked = start(environment, "check")

    assert checked.returncode != 0
    assert "GATEWAYS_FILE" in checked.stderr
    assert "portal.E003" in checked.stderr


def test_a_checkout_needs_no_variable_at_all():
    started = start({"PATH": os.environ["PATH"]})

    assert started.returncode == 0, started.stderr

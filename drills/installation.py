"""The drills' own installation: every process of docker-compose.yml, on servers of its own.

PostgreSQL, Redis, nginx with deploy/nginx.conf, two web servers with deploy/gunicorn.conf.py,
workers, beat, sequencer, a socket gateway's process, and the simulated carriers. Its data lies in
one directory, its sockets in another with a short path; nothing of a demo or a checkout's own
servers is touched.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drills.parts import CannotStart, Part, is_ready, listens, readiness, says

HOST = "127.0.0.1"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
WEB_THREADS = 4
POSTGRES = {
    "listen_addresses": "",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
}


class Installation:
    """All parts by name; `environment` leads a process of ours to them."""

    def __init__(self, data: Path) -> None:
        if NGINX is None:
            raise CannotStart("No nginx on this machine; the drills need what is deployed.")
        self.data = data
        shutil.rmtree(data / "servers", ignore_errors=True)
        self.pgdata = data / "servers" / "postgres"
        self.logs = data / "servers" / "logs"
        self.proxy = data / "servers" / "nginx"
        for folder in (self.pgdata, self.logs, self.proxy, data / "servers" / "redis"):
            folder.mkdir(parents=True, mode=0o700)
        self.sockets = Path(tempfile.mkdtemp(prefix="drills-"))
        names = ("https", "http", "web-1", "web-2", "simulator", "cmpp")
        self.ports = {name: free_port() for name in names}
        self.parts: dict[str, Part] = {}

    @property
    def database_url(self) -> str:
        return f"postgresql://portal@/portal?host={self.sockets}"

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"

    @property
    def simulator_url(self) -> str:
        return f"http://{HOST}:{self.ports['simulator']}"

    @property
    def inbox(self) -> Path:
        return self.data / "servers" / "simulator.sqlite3"

    @property
    def web(self) -> list[Part]:
        return [self.parts["web-1"], self.parts["web-2"]]

    def environment(self) -> dict[str, str]:
        secret = "of-the-drills-" + secrets.token_urlsafe(24)
        gateways: dict[str, dict[str, Any]] = {
            "sms": {
                "dialect": "http_batch",
                "url": self.simulator_url,
                "secret": secret,
                "rate": 5_000,
                "batch_size": 50,
            },
            "cmpp": {
                "dialect": "cmpp",
                "url": f"tcp://{HOST}:{self.ports['cmpp']}",
                "sp_id": "900001",
                "secret": "888888",
                "src_id": "10690001",
                "links": 2,
                "batch_size": 20,
                "rate": 1_000,
            },
        }
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": f"unix://{self.redis_socket}?db=0",
            "SECRET_KEY": secrets.token_urlsafe(64),
            "KEYSTORE_FILE": str(self.data / "servers" / "key-encryption-keys.json"),
            "MEETING_KEYS_DIR": str(self.data / "servers" / "meeting-keys"),
            "ARCHIVE_DIR": str(self.data / "servers" / "archive"),
            "PUBLIC_URL": f"https://{HOST}:{self.ports['https']}",
            "SIMULATOR_URL": self.simulator_url,
            "GATEWAYS": json.dumps(gateways),
            "PROXY_HOPS": "1",
            "STAFF_SECOND_FACTOR": "off",
            "WEB_CONCURRENCY": "1",
            "WEB_THREADS": str(WEB_THREADS),
            "LOG_LEVEL": "WARNING",
        }

    @contextmanager
    def servers(self) -> Iterator[None]:
        """PostgreSQL, empty, and Redis; whatever else was started ends with them."""
        os.environ.update(self.environment())
        try:
            self._make_cluster()
            self._start(self._postgres(), self._redis())
            self._make_database()
            yield
        finally:
            self.stop()

    def start_processes(self) -> None:
        """Everything else; the tables must be there."""
        manage = (sys.executable, "manage.py")
        celery = (sys.executable, "-m", "celery", "--app=voting_portal")
        worker = (*celery, "worker", "--loglevel=INFO", "--without-gossip", "--without-mingle")
        simulator = (
            *(*manage, "run_simulator", "--port", str(self.ports["simulator"])),
            *("--portal", f"http://{HOST}:{self.ports['web-1']}", "--inbox", str(self.inbox)),
        )
        beat = (*celery, "beat", f"--schedule={self.sockets}/beat", "--loglevel=INFO")
        self._start(
            self._part("simulator", simulator, listens(self.ports["simulator"])),
            self._part("web-1", self._gunicorn("web-1"), is_ready(self.ports["web-1"])),
            self._part("web-2", self._gunicorn("web-2"), is_ready(self.ports["web-2"])),
            self._part(
                "worker-sending",
                (*worker, "--queues=sending", "--concurrency=2", "--hostname=sending@drill"),
                says("sending@drill ready."),
            ),
            self._part(
                "worker-periodic",
                (
                    *(*worker, "--queues=periodic,registers"),
                    *("--concurrency=1", "--hostname=periodic@drill"),
                ),
                says("periodic@drill ready."),
            ),
            self._part("beat", beat, says("beat: Starting")),
            self._part("sequencer", (*manage, "run_sequencer"), says("Sequencing")),
            self._part("gateway", (*manage, "run_gateway", "cmpp"), says("waiting for batches")),
            self._nginx(),
        )

    def heal(self) -> list[str]:
        """Start what a drill left behind dead; the names."""
        dead = [
            part for part in self.parts.values() if not (part.is_running() and part.is_up(part))
        ]
        for part in dead:
            part.stop()
            part.start()
        return [part.name for part in dead]

    def stop(self) -> None:
        """End every part, those that hang on others first."""
        servers = ("postgres", "redis")
        others = [part for name, part in self.parts.items() if name not in servers]
        for part in others:
            part.ask_to_end()
        for part in (*others, *(self.parts[name] for name in servers if name in self.parts)):
            part.stop()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def drain(self, *names: str) -> None:
        """Lead no new request to these web servers: an orchestrator takes them out of service."""
        from tests.house.test_nginx import configuration

        web = "".join(
            f"server {HOST}:{self.ports[name]}{' down' if name in names else ''};"
            for name in ("web-1", "web-2")
        )
        one = f"server {HOST}:{self.ports['web-1']};"
        text = configuration(
            self.proxy,
            upstream=self.ports["web-1"],
            https=self.ports["https"],
            http=self.ports["http"],
        )
        (self.proxy / "nginx.conf").write_text(text.replace(one, web))
        if "nginx" in self.parts and self.parts["nginx"].is_running():
            os.kill(self.parts["nginx"].pid, signal.SIGHUP)
            time.sleep(0.3)

    def redis_is_up(self, _part: Part | None = None) -> bool:
        import redis

        client = redis.Redis(unix_socket_path=str(self.redis_socket), socket_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def readiness(self, name: str) -> tuple[int, str]:
        return readiness(self.ports[name])

    def _start(self, *parts: Part) -> None:
        """All of them come up side by side; a program takes its seconds."""
        import threading

        failures: list[Exception] = []

        def start(part: Part) -> None:
            try:
                part.start()
            except Exception as failure:  # noqa: BLE001 - raised below, in the caller's thread
                failures.append(failure)

        self.parts |= {part.name: part for part in parts}
        threads = [threading.Thread(target=start, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _part(self, name: str, command: tuple[str, ...], is_up: Any) -> Part:
        return Part(name, command, is_up, self.logs / f"{name}.log")

    def _gunicorn(self, name: str) -> tuple[str, ...]:
        return (
            *(sys.executable, "-m", "gunicorn", "--config=deploy/gunicorn.conf.py"),
            *(f"--bind={HOST}:{self.ports[name]}", "voting_portal.wsgi:application"),
        )

    def _nginx(self) -> Part:
        from tests.house.test_nginx import write_certificate

        write_certificate(self.proxy)
        self.drain()
        command = (
            *(str(NGINX), "-e", str(self.proxy / "error.log"), "-p", str(self.proxy)),
            *("-c", str(self.proxy / "nginx.conf"), "-g", "daemon off;"),
        )
        part = self._part("nginx", command, listens(self.ports["https"]))
        part.stop_signal = signal.SIGQUIT
        return part

    def _make_cluster(self) -> None:
        from voting_portal import embedded

        self.pgdata.rmdir()
        subprocess.run(
            [
                *embedded._postgres_program("initdb"),
                *("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
                *("--username=portal", "--pgdata", str(self.pgdata)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def _postgres(self) -> Part:
        from voting_portal import embedded

        settings = {**POSTGRES, "unix_socket_directories": str(self.sockets)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = (*embedded._postgres_program("postgres"), "-D", str(self.pgdata), *options)
        part = self._part("postgres", command, lambda _part: _is_served(self.sockets))
        part.stop_signal = signal.SIGINT  # its "fast" shutdown
        return part

    def _redis(self) -> Part:
        from voting_portal import embedded

        command = (
            *(embedded._redis_program(), "--port", "0", "--unixsocket", str(self.redis_socket)),
            *("--dir", str(self.data / "servers" / "redis"), "--appendonly", "yes"),
            *("--appendfsync", "everysec", "--maxmemory-policy", "noeviction"),
        )
        return self._part("redis", command, self.redis_is_up)

    def _make_database(self) -> None:
        import psycopg

        url = self.database_url.replace("/portal?", "/postgres?")
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("CREATE DATABASE portal")


def make_tables() -> None:
    """Set Django up for the servers that run, and migrate; nothing of ours is imported before."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "voting_portal.settings"
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_served(sockets: Path) -> bool:
    import psycopg

    url = f"postgresql://portal@/postgres?host={sockets}"
    try:
        with psycopg.connect(url, connect_timeout=2) as conn:
            conn.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True

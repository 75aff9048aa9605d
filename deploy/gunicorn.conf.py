"""How gunicorn serves the portal: threads behind a buffering proxy, logs without links."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from django.urls import get_resolver
from gunicorn.glogging import Logger

from voting_portal.common.logs import JsonFormatter, without_personal_data
from voting_portal.common.worker_counts import keep_counts

bind = os.environ.get("WEB_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or multiprocessing.cpu_count())
threads = int(os.environ.get("WEB_THREADS") or 4)
timeout = 30  # seconds without a sign of life
graceful_timeout = 30  # a deployment during the vote waits for what is under way
keepalive = 75  # longer than the proxy server's
# Workers take turns to start afresh, so that no leak grows for a whole day.
max_requests, max_requests_jitter = 50_000, 5_000
limit_request_line, limit_request_fields, limit_request_field_size = 4_094, 60, 8_190
# Signals are enough: a socket to steer it by would lie in the home directory, one for all servers.
control_socket_disable = True
DEFER_ACCEPT_SECONDS = 5  # then a connection without a request is accepted all the same
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108

# Workers count for /metrics in files here, which are summed when somebody asks.
_counts = Path(os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="counts")))

accesslog = "-" if os.environ.get("ACCESS_LOG", "on") == "on" else None
access_log_format = "%(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"
errorlog = "-"


def when_ready(server: Any) -> None:
    """Have the kernel hold a connection back until its request is there.

    A thread takes a connection as soon as it is accepted and would wait for the request with it.
    """
    for listener in server.LISTENERS:
        if listener.sock.family != socket.AF_UNIX:
            listener.sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_SECONDS
            )


def post_worker_init(_worker: Any) -> None:
    """Have the garbage collector leave alone what start-up made, all views included.

    Looking through those two hundred thousand objects takes a tenth of a second, in which no thread
    of the worker answers anybody.
    """
    _all_views = get_resolver().url_patterns
    gc.collect()
    gc.freeze()


def child_exit(_server: Any, worker: Any) -> None:
    keep_counts(worker.pid, directory=_counts)


def on_exit(_server: Any) -> None:
    shutil.rmtree(_counts, ignore_errors=True)


class PortalLogger(Logger):
    """One JSON object a line, as all logs of the portal; of a link its first five characters."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(JsonFormatter())

    def atoms(self, *args: Any) -> dict[str, Any]:
        atoms: dict[str, Any] = super().atoms(*args)
        return {
            name: without_personal_data(value) if isinstance(value, str) else value
            for name, value in atoms.items()
        }


logger_class = PortalLogger
logging.captureWarnings(capture=True)

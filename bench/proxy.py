"""nginx before a server of the bench: as it is deployed, and a bare one."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.house.test_nginx import NGINX, configuration, free_port, write_certificate

BARE_NGINX = """
worker_processes auto; pid {place}/nginx.pid; error_log /dev/null crit;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {place}/certificate.pem;
        ssl_certificate_key {place}/key.pem;
        location / {{ return 404; }}
    }}
}}
"""


@contextmanager
def bare_nginx() -> Iterator[tuple[int, int]]:
    """An nginx that answers everything with 404: its ports without and with TLS."""
    with tempfile.TemporaryDirectory() as name:
        plain, tls = free_port(), free_port()
        write_certificate(Path(name))
        file = Path(name) / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""  # the directory is its own alone
        file.write_text(user + BARE_NGINX.format(place=name, plain=plain, tls=tls))
        with _running(name, file):
            yield plain, tls


@contextmanager
def nginx(upstream: int, *, is_limited: bool = True) -> Iterator[tuple[int, str]]:
    """deploy/nginx.conf in front of gunicorn, without its limits where one client is a crowd: its
    port, and the directory that it works in."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_certificate(directory)
        port = free_port()
        file = directory / "nginx.conf"
        text = configuration(directory, upstream=upstream, https=port, http=free_port())
        changes = {
            "worker_connections 512;": "worker_connections 8192;",
            "worker_processes 1;": "worker_processes auto;",
        }
        if not is_limited:
            changes["rate=100r/s"] = "rate=100000r/s"
        for tests, deployed in changes.items():
            text = text.replace(tests, deployed)
        file.write_text(text)
        with _running(name, file):
            yield port, name


@contextmanager
def _running(directory: str, file: Path) -> Iterator[None]:
    """An nginx with this file, for the block."""
    command = [str(NGINX), "-e", "stderr", "-p", directory, "-c", str(file), "-g", "daemon off;"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield
    finally:
        server.terminate()
        server.wait(10)

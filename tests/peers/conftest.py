"""Carriers' software that we did not write, as processes; `make peers` fetches what is missing."""

from __future__ import annotations

import json
import queue
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from tests.gateways.lines import free_port

MODULES = Path(django_settings.BASE_DIR) / ".data" / "peers" / "node_modules"
SMSC = Path(__file__).with_name("smsc.js")
KANNEL = """
group = core
admin-port = {admin}
admin-password = none
admin-interface = 127.0.0.1
smsbox-port = {smsbox}
smsbox-interface = 127.0.0.1
dlr-storage = internal
box-allow-ip = 127.0.0.1

group = smsc
smsc = smpp
smsc-id = node
allowed-smsc-id = node
host = 127.0.0.1
port = {smsc}
smsc-username = vote
smsc-password = pw
system-type = ""
transceiver-mode = true
enquire-link-interval = 5

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = vote
password = pw
max-messages = 10
concatenation = true
forced-smsc = node
"""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.peers)


class Smsc:
    """node-smpp: where it listens, and every short message that it took."""

    def __init__(self, process):
        self._process = process
        self.port = json.loads(process.stdout.readline())["port"]
        self.taken = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            self.taken.put(json.loads(line))

    def take(self, number, *, seconds=10):
        return [self.taken.get(timeout=seconds) for _ in range(number)]


def end(process):
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


@pytest.fixture
def smsc():
    node = shutil.which("node")
    if node is None or not (MODULES / "smpp").is_dir():
        pytest.skip("LEFT OUT: node with the module smpp is missing; `make peers` fetches it")
    process = subprocess.Popen([node, str(SMSC), str(MODULES)], stdout=subprocess.PIPE, text=True)
    yield Smsc(process)
    end(process)


@pytest.fixture
def kannel(smsc, tmp_path):
    """Kannel before the SMSC; the address of its sendsms interface."""
    boxes = [shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("bearerbox", "smsbox")]
    if None in boxes:
        pytest.skip("LEFT OUT: Kannel is not installed; as root, `make peers` fetches it")
    ports = {name: free_port() for name in ("admin", "smsbox", "sendsms")}
    file = tmp_path / "kannel.conf"
    file.write_text(KANNEL.format(smsc=smsc.port, **ports))
    started = []
    for box, port in zip(boxes, (ports["smsbox"], ports["sendsms"]), strict=True):
        with (tmp_path / f"{Path(box).name}.log").open("wb") as log:
            command = [box, "-v", "2", str(file)]
            started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path))
        _until_it_listens(port)
    yield f"http://127.0.0.1:{ports['sendsms']}"
    for process in reversed(started):
        end(process)


def _until_it_listens(port):
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens at {port}")

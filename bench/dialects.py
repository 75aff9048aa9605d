"""The HTTP dialects themselves: messages a second through each gateway to a carrier on loopback.

Ours is everything between a message and its result: template, signature, connection, answer. The
floor is plain threads that push the same requests, captured from ours, and only read the answers.
The carrier is another process that reads and answers and keeps nothing.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from bench import Row, Scale

THREADS = 2
CARRIER = """
import http.server, json, sys
ANSWERS = json.loads(sys.argv[1])
class Carrier(http.server.BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.split("/")[1]
        answer = ANSWERS[name]
        if answer is None:
            answer = [{"id": item["id"], "status": "accepted"} for item in json.loads(body)]
        said = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer.request_queue_size = 128
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Carrier)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
"""
ANSWERS = {
    "http_batch": None,
    "webhook": None,
    "alibaba": {"Code": "OK", "BizId": "1"},
    "yuexin": {"task_id": "1", "task_state": "Success"},
    "tencent": {"Response": {"SendStatusSet": [{"Code": "Ok", "SerialNo": "1"}]}},
    "botmessage": {"errorCode": 0, "accessToken": "1", "expires": 7200},
    "openchatbot": {"messageId": "1"},
}
ONE_A_REQUEST = {"tencent", "botmessage", "openchatbot"}

Captured = tuple[str, bytes, dict[str, str]]


def measure(scale: Scale) -> Iterator[Row]:
    from tests.gateways.http_ways import OPTIONS
    from voting_portal.gateways import DIALECTS

    carrier = subprocess.Popen(
        [sys.executable, "-c", CARRIER, json.dumps(ANSWERS)], stdout=subprocess.PIPE, text=True
    )
    assert carrier.stdout is not None
    try:
        port = int(carrier.stdout.readline())
        for name in ANSWERS:
            url = f"http://127.0.0.1:{port}/{name}"
            gateway = DIALECTS[name](name, {"url": url, "rate": 1, **OPTIONS[name]})
            rows = min(scale.rows, 10_000) if name in ONE_A_REQUEST else scale.rows
            yield _row(name, gateway, port, rows)
    finally:
        carrier.terminate()
        carrier.wait()
        carrier.stdout.close()


def _row(name: str, gateway: Any, port: int, rows: int) -> Row:
    from tests.gateways.http_ways import message

    size = gateway.batch_size
    messages = [message(str(number), f"154{number:08d}") for number in range(size)]
    batches = -(-rows // size)
    requests = _capture(lambda: gateway.send(messages))
    ours = rate(lambda: _accepted(gateway.send(messages)), batches, size)
    floor = rate(lambda: _push(port, requests, name in ONE_A_REQUEST), batches, size)
    at_once = "one a request" if name in ONE_A_REQUEST else f"{size} a request"
    note = f"{batches * size:,} messages, {THREADS} threads, {at_once}"
    return Row(f"send {name}", ours, floor, "messages/s", is_rate=True, note=note)


def _accepted(results: Sequence[Any]) -> None:
    found = {(result.outcome.value, result.reason) for result in results}
    assert found == {("accepted", "")}, found


def _capture(send: Callable[[], object]) -> list[Captured]:
    """The requests that a batch makes, as they left."""
    seen: list[Captured] = []
    request = http.client.HTTPConnection.request

    def listen(self: Any, method: str, url: str, body: Any = None, headers: Any = None) -> None:
        seen.append((url, body, headers))
        request(self, method, url, body, headers)

    http.client.HTTPConnection.request = listen  # type: ignore[method-assign,assignment]
    try:
        send()
    finally:
        http.client.HTTPConnection.request = request  # type: ignore[method-assign]
    return [one for one in seen if not one[0].endswith("/accessToken")]


def _push(port: int, requests: Sequence[Captured], is_one_by_one: bool) -> None:
    """Push the requests of a batch; those of one message each over 16 kept connections."""
    lines = min(16, len(requests)) if is_one_by_one else 1

    def push(some: Sequence[Captured]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for target, body, headers in some:
            connection.request("POST", target, body, headers)
            connection.getresponse().read()
        connection.close()

    shares = [list(islice(requests, at, None, lines)) for at in range(lines)]
    if lines == 1:
        push(shares[0])
        return
    with ThreadPoolExecutor(lines) as pool:
        list(pool.map(push, shares))


def rate(act: Callable[[], object], batches: int, size: int) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _batch: act(), range(batches)))
    return batches * size / (time.perf_counter() - began)

"""The simulator over HTTP: the carriers' side for the portal, the handset for people.

POST /messages            a batch of messages, see http_batch.py
POST /NAME/...            the carrier that stands in for the gateway NAME, in its dialect
POST /faults              {"delay": 0.2, "throttle": 3, ...}, see carrier.Faults; {} ends them
GET  /                    the simulated handset: ?to= a number or its last digits, ?before= an id
GET  /messages.json?to=   the same for scripts
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, parse_qsl, urlsplit

from django.template.loader import render_to_string

from voting_portal.gateways.simulator.carrier import Answer, Carrier, Faults, Post
from voting_portal.gateways.simulator.inbox import PAGE_LENGTH, Inbox

MOST_BODY_BYTES = 2_000_000
SLOW_PARTS = 10
STYLE = Path(__file__).with_name("handset.css")
_NO_SCRIPTS = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"


class Simulator(ThreadingHTTPServer):
    """Listens on the loopback interface only; port 0 takes a free one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, inbox_file: Path, *, secret: str, receipt_url: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.inbox = Inbox(inbox_file)
        self.carrier = Carrier(self.inbox, secret=secret, receipt_url=receipt_url)
        self.others: dict[str, Carrier] = {}  # by the first part of the path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def carrier_at(self, path: str) -> tuple[Carrier, str]:
        """The carrier that stands at this path, and what of the path is behind its own."""
        name, slash, rest = path[1:].partition("/")
        if name in self.others:
            return self.others[name], slash + rest
        return self.carrier, path

    def server_close(self) -> None:
        super().server_close()
        if hasattr(self, "inbox"):  # not when the port was taken
            for carrier in (self.carrier, *self.others.values()):
                carrier.retire()
            self.inbox.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hangs up early, as a killed worker does, is nothing to report."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "simulator", ""
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # head and body leave apart and shall not wait for each other

    @property
    def simulator(self) -> Simulator:
        return cast(Simulator, self.server)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BODY_BYTES:
            self.close_connection = True
            self._send(Answer(413))
            return
        body = self.rfile.read(length)
        url = urlsplit(self.path)
        answer: Answer | None
        if url.path == "/faults":
            answer = self._change_faults(body)
        else:
            carrier, target = self.simulator.carrier_at(url.path)
            answer = carrier.answer(
                Post(
                    path=url.path,
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=body,
                    target=target,
                    query=dict(parse_qsl(url.query)),
                )
            )
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._send(answer)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1].strip() for name, values in parse_qs(url.query).items()}
        match url.path:
            case "/":
                self._send(self._handset(query))
            case "/messages.json":
                self._send(self._messages(query))
            case "/handset.css":
                self._send(Answer(200, STYLE.read_bytes(), {"Content-Type": "text/css"}))
            case _:
                self._send(Answer(404, b"not found", {"Content-Type": "text/plain"}))

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Requests name phones; they are not logged."""

    def _change_faults(self, body: bytes) -> Answer:
        try:
            faults = Faults.read(body)
        except (ValueError, TypeError):
            return Answer(400, b"unknown fault", {"Content-Type": "text/plain"})
        for carrier in (self.simulator.carrier, *self.simulator.others.values()):
            carrier.faults = faults
        return Answer(204)

    def _handset(self, query: Mapping[str, str]) -> Answer:
        to, before = query.get("to", ""), query.get("before", "")
        messages = self.simulator.inbox.read(
            phone=to, before=int(before) if before.isdecimal() else None, limit=PAGE_LENGTH + 1
        )
        context = {
            "messages": messages[:PAGE_LENGTH],
            "older": messages[PAGE_LENGTH - 1].id if len(messages) > PAGE_LENGTH else None,
            "to": to,
            "total": self.simulator.inbox.count(),
        }
        page = render_to_string("simulator/handset.html", context).encode()
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": _NO_SCRIPTS,
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        return Answer(200, page, headers)

    def _messages(self, query: Mapping[str, str]) -> Answer:
        messages = [
            asdict(message) for message in self.simulator.inbox.read(phone=query.get("to", ""))
        ]
        body = json.dumps(messages, default=str, ensure_ascii=False).encode()
        return Answer(200, body, {"Content-Type": "application/json", "Cache-Control": "no-store"})

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in (answer.headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        parts = SLOW_PARTS if answer.seconds else 1
        length = -(-len(answer.body) // parts) or 1
        for at in range(0, len(answer.body), length):
            time.sleep(answer.seconds / parts)
            self.wfile.write(answer.body[at : at + length])
            self.wfile.flush()

"""deploy/nginx.conf in a real nginx, in front of a server that says what it was asked."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import http.server
import json
import os
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from tests.monitoring.log_lines import faults_of
from voting_portal.common.http import HEADERS

pytestmark = pytest.mark.servers

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
DEPLOY = Path(settings.BASE_DIR) / "deploy"
LINK = "/v/1abcd2efgh3ijkl4mnop5qrst"
FOR_EVER = "max-age=315360000, public, immutable"  # as the portal says it of a hashed name


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that came in and the number of its connection; /broken hangs up."""

    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self) -> None:
        super().setup()
        Echo.connections += 1
        self.number = Echo.connections

    def do_GET(self) -> None:
        if self.path.startswith("/broken"):
            self.close_connection = True
            return
        said = json.dumps({name: self.headers.get_all(name) for name in self.headers}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.send_header("X-Connection", str(self.number))
        if self.path.split("?")[0] in {"/", "/help", "/privacy", "/m/7", "/m/8"}:
            seconds = 1 if self.path == "/m/8" else 60
            self.send_header("Cache-Control", f"public, max-age={seconds}")
            self.send_header("Vary", "Accept-Language, Cookie")
        if self.path.startswith("/static/"):
            self.send_header("Cache-Control", FOR_EVER)
        self.send_header("X-Answer", secrets.token_hex(8))
        if self.path == "/with-headers":
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Content-Security-Policy", "default-src 'self'")
            self.send_header("Cache-Control", "no-store, private")
        self.end_headers()
        self.wfile.write(said)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_args: object) -> None:
        pass


class Proxy:
    """The proxy server under test: its ports, its access log, its error log."""

    def __init__(self, directory: Path, https: int, http: int) -> None:
        self.access_log = directory / "access.log"
        self.error_log = directory / "error.log"
        self.https, self.http = https, http

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str):
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        client = http.client.HTTPSConnection("127.0.0.1", self.https, context=trusting, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        client.request(method, path, body, headers={"Host": "vote.example", **named})
        answer = client.getresponse()
        answer.body = answer.read().decode()
        client.close()
        return answer

    def send(self, request: bytes) -> bytes:
        """The answer to bytes that no client of ours would send."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.https), timeout=5) as plain,
            trusting.wrap_socket(plain) as client,
        ):
            client.sendall(request)
            return client.recv(65_536)

    def log_of(self, method: str, path: str, body: bytes | None = None) -> dict[str, object]:
        """What the access log says of a request; nginx writes after the answer is out."""
        before = len(self.access_log.read_text())
        self.ask(method, path, body)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            text = self.access_log.read_text()[before:]
            if text.endswith("\n"):
                return json.loads(text.splitlines()[-1])
            time.sleep(0.02)
        raise AssertionError("nothing was logged")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_certificate(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vote.example")])
    now = datetime.now(UTC)  # noqa: TID251 - a certificate knows no edge to take its time from
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (directory / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def configuration(directory: Path, *, upstream: int, https: int, http: int) -> str:
    """The file as it is, with the cluster's upstreams, this test's ports and directories in it."""
    beside = (DEPLOY / "kubernetes" / "upstreams.conf").read_text()
    assert beside.count("server 127.0.0.1:8000;") == 2
    return with_upstreams(
        beside.replace("127.0.0.1:8000", f"127.0.0.1:{upstream}"), directory, https=https, http=http
    )


def with_upstreams(upstreams: str, directory: Path, *, https: int, http: int) -> str:
    text = (DEPLOY / "nginx.conf").read_text()
    swaps = {
        "include /etc/nginx/upstreams.conf;": upstreams,
        "listen 80 ": f"listen 127.0.0.1:{http} ",
        "listen 443 ": f"listen 127.0.0.1:{https} ",
        "/etc/nginx/tls/": f"{directory}/",
        "/etc/nginx/errors": str(DEPLOY / "errors"),
        "/var/cache/nginx/": f"{directory}/",
        "/tmp/nginx.pid": f"{directory}/nginx.pid",
        "/dev/stdout": f"{directory}/access.log",
        "/dev/stderr": f"{directory}/error.log",
        "worker_processes auto;": "worker_processes 1;",
        "worker_rlimit_nofile 65536;": "",
        "worker_connections 16384;": "worker_connections 512;",
    }
    if nginx_version() < (1, 25, 1):
        swaps["http2 on;"] = ""
    for old, new in swaps.items():
        assert old in text, f"deploy/nginx.conf has no {old!r} any more; adjust this test"
        text = text.replace(old, new)
    # As root, nginx's workers would be somebody who may not enter pytest's directories.
    return f"user root;\n{text}" if os.geteuid() == 0 else text


def nginx_version() -> tuple[int, ...]:
    said = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(int(part) for part in said.split("/")[1].split()[0].split("."))


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    if NGINX is None:
        pytest.skip("LEFT OUT: no nginx on this machine, deploy/nginx.conf is not tested")
    directory = tmp_path_factory.mktemp("nginx")
    directory.chmod(0o755)
    write_certificate(directory)
    echo = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    serving = threading.Thread(target=echo.serve_forever)
    serving.start()
    found = Proxy(directory, free_port(), free_port())
    file = directory / "nginx.conf"
    file.write_text(
        configuration(directory, upstream=echo.server_port, https=found.https, http=found.http)
    )
    command = [NGINX, "-e", str(found.error_log), "-p", str(directory), "-c", str(file)]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    running = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        wait_for(found.https)
        yield found
    finally:
        running.terminate()
        running.wait(60)
        echo.shutdown()
        serving.join()
        echo.server_close()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("nginx did not come up")


def test_what_a_client_says_about_its_address_is_overwritten(proxy):
    answer = proxy.ask(
        "GET",
        "/m/1/ballot",
        X_Forwarded_For="203.0.113.9",
        X_Forwarded_Proto="http",
        X_Forwarded_Host="evil.example",
        X_Real_IP="203.0.113.9",
        Forwarded="for=203.0.113.9",
    )

    seen = {name.lower(): values for name, values in json.loads(answer.body).items()}
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-proto"] == ["https"]
    assert seen["host"] == ["vote.example"]
    assert not {"x-forwarded-host", "x-real-ip", "forwarded"} & seen.keys()


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        (LINK, "/v/1abcd…"),
        (f"/{LINK}", "//v…"),
        (f"/%76{LINK[2:]}", "/%76/1abcd…"),
        (f"/m/..{LINK}", "/m/..…"),
        ("/staff/pass/a-secret-of-some-length", "/staff/pass…"),
        ("/gateway/sms/receipts/a-secret-of-some-length/a/b", "/gateway/sms/receipts/…"),
        ("/gateway/sms/receipts", "/gateway/sms/receipts"),
        ("/m/17/ballot?phone=13800000000", "/m/17/ballot"),
        ("/static/css/voter.0123abcd.css", "/static/css/voter.0123abcd.css"),
    ],
)
def test_the_log_holds_no_link_no_pass_and_no_query(proxy, path, logged):
    line = proxy.log_of("GET", path)

    assert line["path"] == logged


def test_a_line_of_the_log_has_the_schema_of_all_logs(proxy):
    answered, refused = proxy.log_of("GET", "/help"), proxy.log_of("POST", "/broken")

    assert faults_of(json.dumps(answered)) == faults_of(json.dumps(refused)) == []
    assert (answered["logger"], answered["message"]) == ("nginx", "GET 200")
    assert refused["message"] == "POST 503"


def test_when_no_worker_answers_the_holder_reads_what_to_do(proxy):
    answer = proxy.ask("GET", f"/broken{LINK}")

    assert answer.status == 503
    assert "400-888-8400" in answer.body
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["Cache-Control"] == "no-store"
    assert LINK[3:] not in proxy.access_log.read_text() + proxy.error_log.read_text()


def test_a_body_over_the_limit_is_refused_before_a_worker_sees_it(proxy):
    answer = proxy.ask("POST", "/m/1/cast", b"x" * 1_048_577)

    assert answer.status == 413
    assert "上传的内容过大" in answer.body


def test_the_log_keeps_the_method_and_status_of_a_refused_request(proxy):
    line = proxy.log_of("POST", "/m/1/cast", b"x" * 1_048_577)

    assert line["method"] == "POST"
    assert line["status"] == 413


def test_a_register_may_be_larger_than_a_form(proxy):
    answer = proxy.ask("POST", "/admin/meetings/meeting/7/register/", b"x" * 2_000_000)

    assert answer.status == 200


def test_plain_http_leads_to_https(proxy):
    client = http.client.HTTPConnection("127.0.0.1", proxy.http, timeout=5)

    client.request("GET", "/m/1/", headers={"Host": "vote.example"})
    answer = client.getresponse()
    client.close()

    assert answer.status == 301
    assert answer.headers["Location"] == "https://vote.example/m/1/"


def test_readiness_is_told_inside_only(proxy):
    assert proxy.ask("GET", "/ready").status == 404


def test_many_requests_to_the_sign_in_from_one_address_are_slowed(proxy):
    statuses = [proxy.ask("GET", "/staff/login").status for _ in range(40)]

    assert statuses[0] == 200
    assert 429 in statuses


def style_of(page):
    return (DEPLOY / "errors" / f"{page}.html").read_text().split("<style>")[1].split("</style>")[0]


def hash_of_style(page):
    return f"sha256-{base64.b64encode(hashlib.sha256(style_of(page).encode()).digest()).decode()}"


OWN_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": f"default-src 'none'; style-src '{hash_of_style('503')}'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    **HEADERS,
}


@pytest.mark.parametrize("page", ["413", "429", "503"])
def test_a_page_of_nginx_needs_nothing_and_says_what_to_do(page):
    text = (DEPLOY / "errors" / f"{page}.html").read_text()

    assert style_of(page) == style_of("503")  # the one whose hash the policy allows
    assert len(gzip.compress(text.encode())) < 2_500
    assert not re.findall(r"<(?:script|link|img)|\bsrc=|url\(", text)
    assert "400-888-8400" in text
    assert 'lang="en"' in text
    if page != "413":
        for words in ("交易系统投票平台", "9:30–11:30", "vote.sseinfo.com", "以第一次投票结果为准"):
            assert words in text
        assert "vote.sseinfo.com" in text.partition('lang="en"')[2]


def test_what_nginx_answers_by_itself_carries_the_headers_too(proxy):
    answers = {
        "no worker": proxy.ask("GET", "/broken"),
        "too large": proxy.ask("POST", "/m/1/cast", b"x" * 1_048_577),
        "inside only": proxy.ask("GET", "/ready"),
        "no request": proxy.ask("GET", "/x", X_Long="y" * 40_000),
    }

    lacking = {
        (what, name): answer.headers.get_all(name)
        for what, answer in answers.items()
        for name, value in OWN_HEADERS.items()
        if answer.headers.get_all(name) != [value]
    }
    assert not lacking
    assert {answer.status for answer in answers.values()} == {503, 413, 404, 400}


def test_a_header_that_the_portal_sends_is_not_sent_twice(proxy):
    answer = proxy.ask("GET", "/with-headers")

    assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert answer.headers.get_all("Content-Security-Policy") == ["default-src 'self'"]
    assert answer.headers.get_all("Cache-Control") == ["no-store, private"]


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length : 5",
        "Content-Length: +5",
    ],
)
def test_a_request_that_can_be_read_in_two_ways_reaches_no_worker(proxy, lines):
    before = len(proxy.access_log.read_text())

    answer = proxy.send(
        f"POST /m/1/cast HTTP/1.1\r\nHost: vote.example\r\n{lines}\r\n\r\n0\r\n\r\nX".encode()
    )

    assert answer.split()[1] in {b"400", b"501"}
    logged = proxy.access_log.read_text()[before:]
    assert not [
        line for line in logged.splitlines() if json.loads(line)["upstream"] not in ("", "-")
    ]


def answer_of(proxy, path, **headers):
    """A name that tells answers of the portal apart from copies of them."""
    return proxy.ask("GET", path, **headers).headers["X-Answer"]


@pytest.mark.parametrize("path", ["/", "/help", "/privacy", "/m/7"])
def test_a_page_for_everybody_is_asked_for_once(proxy, path):
    first = answer_of(proxy, path, Cookie="__Host-voter-7=somebody")

    assert answer_of(proxy, path, Cookie="__Host-voter-7=else; a=b") == first
    assert answer_of(proxy, f"{path}?from=weixin") == first


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "__Host-language=en"},
        {"Cookie": "a=b; __Host-type=large; c=d"},
        {"Accept_Language": "en"},
        {"Host": "staff.example"},
    ],
    ids=["language", "type", "the browser's language", "host"],
)
def test_who_likes_it_otherwise_gets_another_copy(proxy, headers):
    usual = answer_of(proxy, "/m/7")

    liked = answer_of(proxy, "/m/7", **headers)

    assert liked != usual
    assert answer_of(proxy, "/m/7", **headers) == liked


def test_a_copy_is_given_no_longer_than_the_portal_said(proxy):
    first = answer_of(proxy, "/m/8")
    time.sleep(2.1)

    assert answer_of(proxy, "/m/8") != first


def test_a_static_file_is_asked_for_once_and_browsers_keep_it_for_ever(proxy):
    path = "/static/css/portal.0123456789ab.css"

    answers = [proxy.ask("GET", path) for _each in range(2)]

    assert len({answer.headers["X-Answer"] for answer in answers}) == 1
    assert [answer.headers.get_all("Cache-Control") for answer in answers] == [[FOR_EVER]] * 2


@pytest.mark.parametrize("path", [LINK, "/m/7/ballot", "/m/7/confirmation", "/m/7/wait", "/start"])
def test_no_page_of_a_holder_is_kept(proxy, path):
    assert answer_of(proxy, path) != answer_of(proxy, path)


def test_every_request_goes_over_a_connection_of_its_own(proxy):
    """So none is lost on a kept one whose worker ends."""
    answers = [proxy.ask("GET", "/m/7/ballot") for _each in range(3)]
    answers += [proxy.ask("POST", "/m/7/cast", b"x") for _each in range(3)]

    assert len({answer.headers["X-Connection"] for answer in answers}) == 6


def test_pages_of_staff_are_asked_of_their_own_processes():
    text = (DEPLOY / "nginx.conf").read_text()
    places = dict(re.findall(r"location (?:~ )?(\S+) \{[^}]*proxy_pass http://(\S+);", text))

    assert {place for place, pool in places.items() if pool == "staff"} == {
        "/staff/",
        "/secretary/",
        "/admin/",
        r"^/admin/meetings/meeting/\d+/register/$",
    }

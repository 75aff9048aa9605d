"""How gunicorn serves, and what it writes down of a request."""

from __future__ import annotations

import gc
import http.client
import runpy
import socket
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.conf import settings
from gunicorn.config import Config

from tests.deploy.serving import gunicorn

CODE = "0Hb85ABCDEFGHJKMNPQRSTUVW"


@pytest.fixture(autouse=True)
def counts(monkeypatch, tmp_path):
    """Reading the file makes a folder for counts; other tests' servers are to make their own."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))


@pytest.fixture
def configured():
    return runpy.run_path(str(settings.BASE_DIR / "deploy/gunicorn.conf.py"))


@pytest.mark.parametrize(
    ("path", "logged"),
    [(f"/v/{CODE}", "/v/0Hb85…"), ("/staff/pass/a-Secret_1", "/staff/pass/…"), ("/help", "/help")],
)
def test_no_address_that_opens_something_is_logged(configured, path, logged):
    config = Config()
    config.set("accesslog", "-")
    logger = configured["logger_class"](config)
    environ = {
        "REQUEST_METHOD": "GET",
        "RAW_URI": path,
        "PATH_INFO": path,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_REFERER": f"https://vote.example.cn{path}",
    }
    response = SimpleNamespace(status="200 OK", sent=10, headers=[])
    request = SimpleNamespace(headers=[])

    atoms = logger.atoms(response, request, environ, timedelta(milliseconds=3))

    assert atoms["U"] == logged
    assert CODE not in str(atoms)
    assert "a-Secret_1" not in str(atoms)


def test_no_socket_lies_about_by_which_a_server_could_be_steered(configured):
    config = Config()

    config.set("control_socket_disable", configured["control_socket_disable"])

    assert config.control_socket_disable is True


def test_workers_and_threads_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    monkeypatch.setenv("WEB_THREADS", "7")

    configured = runpy.run_path(str(settings.BASE_DIR / "deploy/gunicorn.conf.py"))

    assert (configured["workers"], configured["threads"]) == (3, 7)
    assert configured["worker_class"] == "gthread"


def test_what_start_up_made_is_not_looked_through_again(configured):
    try:
        configured["post_worker_init"](None)

        assert gc.get_freeze_count() > 100_000
        assert len(gc.get_objects()) < gc.get_freeze_count() / 10
    finally:
        gc.unfreeze()


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_connections_without_a_request_take_no_thread(tmp_path):
    with gunicorn(tmp_path, workers=1, threads=1) as served:
        place = ("127.0.0.1", served.port)
        silent = [socket.create_connection(place) for _connection in range(3)]
        began = time.monotonic()
        client = http.client.HTTPConnection(*place, timeout=20)
        client.request("GET", "/live")
        status = client.getresponse().status
        seconds = time.monotonic() - began
        client.close()
        for connection in silent:
            connection.close()

    assert status == 200
    assert seconds < 4

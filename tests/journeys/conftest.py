"""A real browser against a real server; without a Chromium these tests say so and are left out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, sync_playwright

from meetings.models import Holder, Meeting
from tests.handset import Handset, handset
from tests.journeys.beside import every_rare_page
from tests.journeys.walk import every_page

__all__ = ["handset"]

CHROMIUM = (
    os.environ.get("CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("chromium-browser")
    or shutil.which("google-chrome")
)
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}

Open = Callable[..., Page]
Walk = Callable[[str, Page, Holder], Iterator[str]]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium found (set CHROMIUM): browser journeys left out")
    # Playwright keeps an event loop in this thread, in which Django would refuse to query, and has
    # connections of its own: one from before would stay open, and be shared with forked children.
    connections.close_all()
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
        connections.close_all()  # the ones of its own
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Give pages of fresh browsers, scripts off; what the console complains of fails the test."""
    contexts, complaints = [], []

    def open_one(size: dict[str, int] = PHONE, **options: Any) -> Page:
        options = {"locale": "zh-CN", "java_script_enabled": False, **options}
        context = chromium.new_context(viewport=size, **options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        return page

    yield open_one
    for context in contexts:
        context.close()
    # Chromium notes every answer that is not 200 as an error of its own; those are meant here,
    # as is 503 for what we do not do ourselves. A 500 is never meant.
    meant = ("status of 4", "status of 503")
    assert [text for text in complaints if not any(words in text for words in meant)] == []


@pytest.fixture
def walk(live_server: Any, settings: Any, handset: Handset) -> Walk:
    """Lead a page along the `road` of a holder's vote, or to the `rare` pages of its meeting."""
    settings.PUBLIC_URL = base = live_server.url

    def go(name: str, page: Page, holder: Holder) -> Iterator[str]:
        if name == "road":
            return every_page(page, base, holder, handset)
        meeting = Meeting.objects.get(pk=holder.meeting_id)
        return every_rare_page(page, base, meeting, handset, settings)

    return go

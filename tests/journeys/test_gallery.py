"""Every page of a holder in every look, for people to look at: SCREENSHOTS=folder takes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.conf import settings as of_project

from meetings import live
from meetings.models import Candidate, Document, Motion
from tests.factories import make_holder, make_issuer, make_meeting
from voting_portal.demo.papers import one_page_pdf

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("SCREENSHOTS" not in os.environ, reason="set SCREENSHOTS to a folder"),
]
LOOKS = {
    "phone": ((360, 740), {}),
    "dark": ((412, 915), {"color_scheme": "dark"}),
    "desk": ((1280, 800), {}),
    "desk-dark": ((1280, 800), {"color_scheme": "dark"}),
    "large": ((360, 740), {}),
    "english": ((360, 740), {"locale": "en-GB"}),
    "english-large": ((412, 915), {"locale": "en-GB", "color_scheme": "dark"}),
    "zoomed": ((640, 400), {"device_scale_factor": 2}),  # 1280x800 at 200 %
}


@pytest.fixture
def meeting(live_server, settings):
    settings.PUBLIC_URL = live_server.url
    issuer = make_issuer(short_name="浦江科技", name="上海浦江科技股份有限公司")
    meeting = make_meeting(issuer=issuer, motions=False)
    add = Motion.objects.create
    add(meeting=meeting, group=1, title="关于《2025年年度报告》及其摘要的议案")
    special = {"meeting": meeting, "threshold": "SPECIAL"}
    add(**special, group=2, title="关于公司2026年度向特定对象发行A股股票方案的议案", kind="HEADING")
    add(**special, group=2, item=1, title="发行股票的种类和面值")
    add(**special, group=2, item=2, title="发行数量及募集资金总额")
    add(
        meeting=meeting,
        group=3,
        title="关于提高2025年度现金分红比例的议案",
        proposer="HOLDERS",
        proposer_name="上海虚构投资集团有限公司（持股3.20%）",
        board_opinion="董事会认为该提案超出公司目前的现金流承受能力，建议股东投反对票。",
    )
    election = add(
        meeting=meeting,
        group=4,
        title="关于选举第六届董事会独立董事的议案",
        kind="CUMULATIVE",
        seats=2,
    )
    for item, name in enumerate(("陈思远", "欧阳静怡", "Alexander Christopher Smith"), start=1):
        Candidate.objects.create(motion=election, item=item, name=name)
    papers = {"2025年年度报告": meeting.motions.get(group=1), "股东会会议资料": None}
    for title, motion in papers.items():
        content = one_page_pdf("A paper of a synthetic meeting").as_fields()
        Document.objects.create(meeting=meeting, motion=motion, title=title, **content)
    live.forget()
    return meeting


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", ["road", "rare"])
def test_every_page_is_photographed(look, name, meeting, walk, open_page):
    (width, height), options = LOOKS[look]
    page = open_page({"width": width, "height": height}, **options)
    if "large" in look:
        page.context.add_cookies([{"name": "type", "value": "large", "url": of_project.PUBLIC_URL}])
    folder = Path(os.environ["SCREENSHOTS"]) / look
    folder.mkdir(parents=True, exist_ok=True)
    holder = make_holder(meeting, shares=12_300)

    for at, place in enumerate(walk(name, page, holder), start=1):
        file = f"{name}-{at:02d}-{place.strip('/').replace('/', '-').replace(':', '-')}.png"
        page.screenshot(path=folder / file, full_page=True)

    assert list(folder.glob(f"{name}-*.png"))

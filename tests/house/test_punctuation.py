"""Chinese sentences of staff's pages have Chinese punctuation."""

from __future__ import annotations

import re

from voting_portal.management.commands.compile_catalogues import read_catalogue

STAFF = (
    *("meetings/admin/", "ballots/admin/", "notifications/admin/", "identity/admin/"),
    *("templates/admin/", "voting_portal/admin.py"),
)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
CHINESE = "[\u4e00-\u9fff\u3001\u3002\u300a-\u300f“”（）]"
HALF_WIDTH = re.compile(rf"{CHINESE}[,:;()]|[,:;()]{CHINESE}")


def test_no_sentence_of_staffs_pages_has_half_width_punctuation():
    sentences = [
        message.id
        for message in read_catalogue()
        if isinstance(message.id, str)
        and message.locations
        and all(file.startswith(STAFF) for file, _line in message.locations)
    ]

    found = [text for text in sentences if HALF_WIDTH.search(PLACEHOLDER.sub("X", text))]

    assert len(sentences) > 300
    assert found == []

"""Chinese sentences that staff and secretaries read have Chinese punctuation."""

from __future__ import annotations

import re

from voting_portal.management.commands.compile_catalogues import read_catalogue

STAFF = (
    *("meetings/", "notifications/", "retention/", "voting_portal/incidents/"),
    *("ballots/admin/", "ballots/models.py", "ballots/opening.py", "ballots/importing.py"),
    *("ballots/vote_faults.py", "ballots/vote_files.py", "identity/admin/", "identity/models.py"),
    *("identity/grants.py", "identity/reissuing.py", "identity/unmasking.py"),
    *("templates/admin/", "templates/console/", "voting_portal/admin.py"),
)
MESSAGES = "notifications/wording.py"  # as carriers have them on file
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
CHINESE = "[\u4e00-\u9fff\u3001\u3002\u300a-\u300f“”（）]"
HALF_WIDTH = re.compile(rf"{CHINESE}[,:;()]|[,:;()]{CHINESE}")


def test_no_sentence_of_staffs_pages_has_half_width_punctuation():
    sentences = [
        message.id
        for message in read_catalogue()
        if isinstance(message.id, str)
        and any(file.startswith(STAFF) and file != MESSAGES for file, _line in message.locations)
    ]

    found = [text for text in sentences if HALF_WIDTH.search(PLACEHOLDER.sub("X", text))]

    assert len(sentences) > 300
    assert found == []

"""Pictures for the guides in docs/: taken on the way that a guide tells, held against its words.

A guide is Chinese Markdown. A heading `## ...` begins a step, a step may have a picture, and what
stands in 「」 is read off the pictured page. So a guide whose words are no longer on the page fails
its test. With PICTURES=docs/images (`make screenshots`) the pictures are written anew.
"""

from __future__ import annotations

import html
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from PIL import Image
from playwright.sync_api import Page

DOCS = Path(settings.BASE_DIR) / "docs"
PICTURE = re.compile(r"!\[[^\]]+\]\(images/([\w-]+)\.webp\)")
LABEL = re.compile(r"「([^」]+)」")
LABELS_OF_A_PAGE = """() => [document.body.innerText, ...[...document.querySelectorAll(
    'input[type=submit], input[type=button], [aria-label], summary, a, button')]
    .map(e => e.value || e.getAttribute('aria-label') || e.textContent)].join('\\n')"""


@dataclass
class Album:
    """The pictures of one guide, in the order in which they are taken."""

    guide: str
    taken: list[str] = field(default_factory=list)

    @property
    def steps(self) -> dict[str, str]:
        """The words of each step that has a picture, by the picture's name."""
        text = (DOCS / f"{self.guide}.md").read_text()
        parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
        return {found[1]: part for part in parts if (found := PICTURE.search(part))}

    def take(self, page: Page, name: str) -> None:
        """Hold the page against the guide's words; write its picture where that is asked for."""
        words = " ".join(html.unescape(page.evaluate(LABELS_OF_A_PAGE)).split())
        missing = [label for label in LABEL.findall(self.steps[name]) if label not in words]
        assert not missing, f"{self.guide}, {name}: not on the page: {missing}"
        self.taken.append(name)
        if directory := os.environ.get("PICTURES"):
            write(page.screenshot(), Path(directory) / f"{name}.webp")

    def is_whole(self) -> bool:
        """Whether each picture of the guide was taken, in the guide's order, and lies in docs/."""
        lie_there = all((DOCS / "images" / f"{name}.webp").exists() for name in self.taken)
        return self.taken == list(self.steps) and lie_there


def write(picture: bytes, file: Path) -> None:
    """Small: 128 colours are plenty for a page, and WebP packs them without loss."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    image.convert("RGB").save(file, lossless=True, quality=100, method=6)

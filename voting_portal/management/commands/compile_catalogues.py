"""`./manage.py compile_catalogues [--extract]`: the English of every sentence that people read.

Sentences stand in code and templates in Chinese; `locale/en` holds the English ones, and
`locale/zh_Hans` what Django's admin says with blanks and points that Chinese does without.
`--extract` brings the English up to the code: new sentences come in untranslated, those that are
gone leave. What is compiled is kept in the repository, so that a running portal needs neither Babel
nor gettext.
"""

from __future__ import annotations

import io
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation.template import templatize

if TYPE_CHECKING:
    from babel.messages import Catalog

LANGUAGE = "en"
CATALOGUE = Path(settings.BASE_DIR) / "locale" / LANGUAGE / "LC_MESSAGES" / "django.po"
OF_DJANGO = CATALOGUE.parents[2] / "zh_Hans" / "LC_MESSAGES" / "django.po"
APPS = ("ballots", "identity", "meetings", "notifications", "retention", "voting_portal")
HEADER = f"""\
# English for the portal; the sentences themselves stand in code and templates, in Chinese.
# After a change there: ./manage.py compile_catalogues --extract
msgid ""
msgstr ""
"Language: {LANGUAGE}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}


class Command(BaseCommand):
    help = "Compile the English catalogue; with --extract, first bring it up to the code."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--extract", action="store_true")

    def handle(self, *, extract: bool, **_options: Any) -> None:
        try:
            catalogue = read_catalogue()
        except ImportError:
            raise CommandError("Babel is missing: install requirements-dev.txt.") from None
        if extract:
            catalogue.update(
                extract_catalogue(), no_fuzzy_matching=True, update_creation_date=False
            )
            CATALOGUE.write_bytes(as_text(catalogue))
        CATALOGUE.with_suffix(".mo").write_bytes(compiled(catalogue))
        OF_DJANGO.with_suffix(".mo").write_bytes(compiled(read_catalogue(OF_DJANGO)))
        for message in untranslated(catalogue):
            self.stderr.write(f"Not translated: {message}")
        self.stdout.write(f"{len(catalogue)} sentences in {CATALOGUE.name}.")


def read_catalogue(path: Path | None = None) -> Catalog:
    """The English catalogue, or another one, as it is in the repository."""
    from babel.messages import pofile  # noqa: PLC0415 - a tool of development

    with (path or CATALOGUE).open("rb") as file:
        catalogue = pofile.read_po(file, domain="django")
    # No date of today, so that compiling twice gives the same bytes.
    catalogue.creation_date = catalogue.revision_date = LONG_AGO
    return catalogue


def extract_catalogue() -> Catalog:
    """Every sentence of the code and the templates, and the files that say it."""
    from babel.messages import Catalog, extract  # noqa: PLC0415

    found = Catalog(domain="django")
    for file, source in _sources():
        options = {"encoding": "utf-8"}
        for _line, sentence, _comments, context in extract.extract(
            "python", io.BytesIO(source), KEYWORDS, (), options
        ):
            found.add(sentence, locations=[(file, 0)], context=context)
    return found


def untranslated(catalogue: Catalog) -> list[str]:
    """The sentences, singular and plural, that have no English yet."""
    missing = []
    for message in catalogue:
        forms = message.string if isinstance(message.string, list | tuple) else [message.string]
        if message.id and not all(forms):
            missing.append(str(message.id))
    return missing


def as_text(catalogue: Catalog) -> bytes:
    """The .po file, by sentence and without line numbers, so that diffs are small."""
    from babel.messages import pofile  # noqa: PLC0415

    text = io.BytesIO()
    pofile.write_po(
        text,
        catalogue,
        width=100,
        omit_header=True,
        sort_output=True,
        include_lineno=False,
        ignore_obsolete=True,
    )
    return HEADER.encode() + text.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    from babel.messages import mofile  # noqa: PLC0415

    binary = io.BytesIO()
    mofile.write_mo(binary, catalogue)
    return binary.getvalue()


def _sources() -> Iterator[tuple[str, bytes]]:
    """Files by name as Python source; Django turns a template's tags into calls of gettext."""
    root = Path(settings.BASE_DIR)
    for app in APPS:
        for path in sorted((root / app).rglob("*.py")):
            yield path.relative_to(root).as_posix(), path.read_bytes()
    for folder in ("templates", *APPS):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in {".html", ".svg", ".txt"}:
                source = templatize(path.read_text(), origin=str(path))
                yield path.relative_to(root).as_posix(), source.encode()

"""The English catalogue is whole: every sentence of the code is in it, in good form, compiled."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import django
import pytest
from django.core.management import call_command
from django.utils import translation

from tests.house.test_modules import CODE, name
from voting_portal.management.commands import compile_catalogues as catalogues

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]")
ELEMENT = re.compile(r"</?[a-z]+[^>]*>")


def strings(message) -> list[str]:
    """All forms of a sentence's English."""
    return list(message.string) if isinstance(message.string, list | tuple) else [message.string]


def sentence(message) -> str:
    return message.id[0] if isinstance(message.id, list | tuple) else message.id


def test_every_sentence_of_the_code_is_in_the_catalogue_and_no_other():
    in_code = {sentence(message) for message in catalogues.extract_catalogue()}

    in_catalogue = {sentence(message) for message in catalogues.read_catalogue()}

    advice = "run ./manage.py compile_catalogues --extract and translate what it names"
    assert in_catalogue - {""} == in_code - {""}, advice


def test_every_sentence_has_its_english():
    assert not catalogues.untranslated(catalogues.read_catalogue())


def test_translations_keep_variables_and_markup():
    broken = [
        message.id
        for message in catalogues.read_catalogue()
        if message.id
        for english in strings(message)
        for pattern in (PLACEHOLDER, ELEMENT)
        if sorted(pattern.findall(sentence(message))) != sorted(pattern.findall(english))
    ]

    assert not broken


def test_the_compiled_catalogue_is_in_step():
    compiled = catalogues.CATALOGUE.with_suffix(".mo").read_bytes()

    assert compiled == catalogues.compiled(catalogues.read_catalogue())


def test_what_djangos_admin_says_better_in_chinese_is_compiled_and_still_said():
    ours = catalogues.read_catalogue(catalogues.OF_DJANGO)
    compiled = catalogues.OF_DJANGO.with_suffix(".mo").read_bytes()
    said = {
        sentence(message)
        for part in ("conf", "contrib/admin")
        for message in catalogues.read_catalogue(
            Path(django.__file__).parent / part / "locale/en/LC_MESSAGES/django.po"
        )
    }

    assert compiled == catalogues.compiled(ours)
    assert {sentence(message) for message in ours} <= said
    with translation.override("zh-hans"):
        assert translation.gettext("Change %s") == "修改%s"


def test_writing_the_catalogue_again_changes_nothing():
    assert catalogues.as_text(catalogues.read_catalogue()) == catalogues.CATALOGUE.read_bytes()


def test_an_english_browser_reads_english():
    with translation.override("en"):
        assert translation.gettext("议案") == "Motion"
        assert translation.gettext("股权登记日") == "Record date"
    with translation.override("zh-hans"):
        assert translation.gettext("议案") == "议案"


def test_extracting_brings_new_sentences_in_and_lets_old_ones_go(tmp_path, monkeypatch, capsys):
    copy = tmp_path / "django.po"
    old = 'msgid "一句已经不用的话"\nmsgstr "A sentence nobody says any more"\n'
    copy.write_text(catalogues.HEADER + old)
    monkeypatch.setattr(catalogues, "CATALOGUE", copy)

    call_command("compile_catalogues", "--extract")

    text = copy.read_text()
    assert 'msgid "议案"' in text
    assert "一句已经不用的话" not in text
    assert "Not translated: 议案" in capsys.readouterr().err
    assert copy.with_suffix(".mo").exists()


def eager_sentences(tree: ast.Module) -> list[int]:
    """Lines on which a sentence is translated while the module is being imported."""
    names = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        for alias in node.names
        if alias.name in {"gettext", "ngettext", "pgettext"}
    }
    waiting: list[ast.AST] = [tree]
    found = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += [node.lineno] if node.func.id in names else []
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("path", CODE, ids=name)
def test_no_sentence_is_translated_before_somebody_reads_it(path):
    assert not eager_sentences(ast.parse(path.read_text()))

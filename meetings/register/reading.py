"""Reading a register file of any kind: the suffix says what it is, its content must agree.

Files are read in blocks, so memory does not grow with them; only the texts of an XLSX, and an XLSX
within a zip, are held whole.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath
from typing import IO

from meetings.register import archive
from meetings.register.chunks import Content, Reader, WholeFile, blocks
from meetings.register.dbf import DbfReader
from meetings.register.findings import Finding, Unreadable
from meetings.register.text import TextReader
from meetings.register.xlsx import XlsxReader

SEPARATORS = {".csv": ",", ".txt": "\t"}
# 中国结算 names its DBF prefix + security code + "." + month (1 to 9, a to c) + day.
_DBF_SUFFIX = re.compile(r"\.(dbf|mdd|[1-9a-c][0-9]{2})")


def open_register(file: IO[bytes], *, file_name: str) -> Reader:
    """The reader for a file, headers read; Unreadable when the file is not what its suffix says."""
    whole = WholeFile(file, file.seek(0, 2))
    suffix = _suffix(file_name)
    if suffix == ".zip" and whole.size:
        return _zipped(archive.only_member(file))
    if suffix == ".xlsx" and whole.size:
        return XlsxReader(whole)
    return _flat(whole, suffix)


def _zipped(member: archive.Member) -> Reader:
    suffix = _suffix(member.name)
    if suffix == ".xlsx":
        return XlsxReader(archive.held(member))
    if suffix not in SEPARATORS and not _DBF_SUFFIX.fullmatch(suffix):
        raise Unreadable(Finding("ZIP_CONTENT"))
    return _flat(member, suffix)


def _flat(content: Content, suffix: str) -> Reader:
    if content.size == 0:
        raise Unreadable(Finding("EMPTY_FILE"))
    if suffix in SEPARATORS:
        return TextReader(content, separator=SEPARATORS[suffix])
    if _DBF_SUFFIX.fullmatch(suffix):
        return DbfReader(content)
    raise Unreadable(Finding("NOT_A_REGISTER"))


def fingerprint(file: IO[bytes]) -> tuple[str, int]:
    """SHA-256 (64 hex digits) and size (bytes) of a whole file."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    for block in blocks(file):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


def _suffix(file_name: str) -> str:
    return PurePath(file_name.replace("\\", "/")).suffix.lower()

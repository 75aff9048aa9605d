"""How a register's file reaches the portal: sealed part by part, never as a whole.

Other files are held in memory (FILE_UPLOAD_HANDLERS): none is ever a temporary file.
"""

from __future__ import annotations

import io
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile

from meetings.register.receiving import IncomingFile


class ReceivedFile(UploadedFile[bytes]):
    """A file that is in the database already, in sealed parts."""

    def __init__(self, incoming: IncomingFile, *, name: str) -> None:
        super().__init__(io.BytesIO(), name, size=incoming.size)
        self.incoming = incoming


class SealingUploadHandler(FileUploadHandler):
    """Seals a file part by part as it arrives; the view's transaction keeps it or forgets it.

    It takes the first file of a form; there is no other.
    """

    chunk_size = 1 << 20

    def __init__(self, meeting_id: int) -> None:
        super().__init__()
        self._incoming = IncomingFile(meeting_id)
        self._is_first = True

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if not self._is_first:
            raise SkipFile
        self._is_first = False

    def receive_data_chunk(self, raw_data: bytes, _start: int) -> None:
        self._incoming.write(raw_data)

    def file_complete(self, _file_size: int) -> ReceivedFile:
        self._incoming.finish()
        return ReceivedFile(self._incoming, name=self.file_name or "")

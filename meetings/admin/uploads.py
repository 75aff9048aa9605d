"""How uploaded files reach the portal: never by way of a temporary file, as Django would do it."""

from __future__ import annotations

import io
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile

from meetings.register.receiving import IncomingFile


class ReceivedFile(UploadedFile[bytes]):
    """A file that is in the database already, in sealed parts."""

    def __init__(self, incoming: IncomingFile, *, name: str) -> None:
        super().__init__(io.BytesIO(), name, size=incoming.size)
        self.incoming = incoming


class _OneFile(FileUploadHandler):
    """Takes the first file of a form; there is no other."""

    chunk_size = 1 << 20

    def __init__(self) -> None:
        super().__init__()
        self._is_first = True

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if not self._is_first:
            raise SkipFile
        self._is_first = False


class SealingUploadHandler(_OneFile):
    """Seals a file part by part as it arrives; the view's transaction keeps it or forgets it."""

    def __init__(self, meeting_id: int) -> None:
        super().__init__()
        self._incoming = IncomingFile(meeting_id)

    def receive_data_chunk(self, raw_data: bytes, _start: int) -> None:
        self._incoming.write(raw_data)

    def file_complete(self, _file_size: int) -> ReceivedFile:
        self._incoming.finish()
        return ReceivedFile(self._incoming, name=self.file_name or "")


class HoldingUploadHandler(_OneFile):
    """Holds a short file in memory: a side list names people, too."""

    def __init__(self) -> None:
        super().__init__()
        self._file = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, _start: int) -> None:
        self._file.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self._file.seek(0)
        return InMemoryUploadedFile(
            self._file, None, self.file_name or "", self.content_type, file_size, self.charset
        )

"""Logs: one JSON object a line, with the request's id, links and long digit runs taken out.

Every process of ours writes so, and nginx, too: deploy/monitoring/log.schema.json says what a line
may hold.
"""

from __future__ import annotations

import contextvars
import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType

# What a process that runs for ever says of itself, whatever LOG_LEVEL is.
process = logging.getLogger("process")
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")

# A personal link keeps its key id and meeting (the first five characters), a carrier's address not
# its secret; phone, ID and account numbers are runs of eight digits or more.
_LINK = re.compile(
    r"(/v/[0-9A-Za-z]{5})[0-9A-Za-z]{4,}|(/staff/pass/)[\w-]+|(/gateway/[\w-]+/receipts/)[\w-]+"
)
_DIGITS = re.compile(r"(?<![0-9A-Za-z.-])[A-F]?\d{8,}[0-9X]?(?![0-9A-Za-z])")


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line about a request says more than nginx's own: who guesses writes none.

    404 and 429 are what guessing is answered with; thousands a second of them would fill a disk.
    """
    return getattr(record, "status_code", None) not in {404, 429}


def without_personal_data(text: str) -> str:
    return _DIGITS.sub("[…]", _LINK.sub(r"\1\2\3…", text))


class JsonFormatter(logging.Formatter):
    """`{"at", "level", "logger", "request", "message"}`, and `error` with its place if any.

    Lines of the security record say more (security_notes.py).
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "request": request_id.get(),
            "message": without_personal_data(record.getMessage()),
        }
        for name, fact in getattr(record, "security", {}).items():
            line[name] = without_personal_data(fact) if isinstance(fact, str) else fact
        if record.exc_info:
            line["error"] = without_personal_data(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def write_what_escapes() -> None:
    """Have warnings, and errors that nobody caught, written as lines of the log, masked as all are.

    Python's own way is text on several lines that quotes whatever stood in the exception.
    """

    def ended(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or issubclass(kind, KeyboardInterrupt):
            return
        process.critical("ended by an error", exc_info=(kind, error, trace))

    sys.excepthook = ended
    threading.excepthook = lambda hooked: ended(
        hooked.exc_type, hooked.exc_value, hooked.exc_traceback
    )
    logging.captureWarnings(capture=True)

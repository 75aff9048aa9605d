"""The image's health check: exit 0 when this container's web server answers /live."""

from __future__ import annotations

import http.client
import os
import sys

port = int(os.environ.get("WEB_BIND", "0.0.0.0:8000").rpartition(":")[2])
# The portal answers to its own names only, for a health check too.
host = os.environ["ALLOWED_HOSTS"].split(",")[0].strip()

try:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    connection.request("GET", "/live", headers={"Host": host})
    status = connection.getresponse().status
except (OSError, http.client.HTTPException):
    status = 0
sys.exit(status != http.HTTPStatus.OK)

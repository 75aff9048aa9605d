"""What gunicorn serves."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "voting_portal.settings")
django = get_wsgi_application()

from voting_portal.gate import Gate  # noqa: E402 - models are there once Django is set up

application = Gate(django)

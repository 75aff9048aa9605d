"""上市公司股东会网络投票一键通: every shareholder's vote, one link away."""

from __future__ import annotations

from voting_portal.celery import app as celery_app

__all__ = ["celery_app"]

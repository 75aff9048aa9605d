"""Constraints that Django's `choices` promise but do not make."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


def one_of(field: str, values: str, *, name: str) -> models.CheckConstraint:
    """The column holds one of these words, whoever writes it; test_constraints.py compares them
    with the field's choices."""
    return models.CheckConstraint(condition=Q(**{f"{field}__in": values.split()}), name=name)

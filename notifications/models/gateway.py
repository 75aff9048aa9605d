"""What is known of gateways: how well each does, how much it did, whom it can show its messages."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class GatewayHealth(models.Model):
    """How much of its share a gateway gets (通道状况): 100 points at rest, fewer while ill."""

    AT_REST = 100

    gateway = models.CharField(max_length=30, primary_key=True)
    points = models.PositiveSmallIntegerField(default=AT_REST)
    reason = models.CharField(max_length=100, blank=True)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(points__lte=100), name="gateway_points_to_100"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway}: {self.points}"


class GatewayCount(models.Model):
    """What a gateway did in ten seconds (通道计数): messages by what came of them."""

    gateway = models.CharField(max_length=30)
    since = models.DateTimeField()  # the first of the ten seconds
    handed = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)  # no answer, no connection, an HTTP error
    delivered = models.PositiveIntegerField(default=0)
    slow = models.PositiveIntegerField(default=0)  # delivered later than five minutes

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "since"], name="gateway_count_once"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway} {self.since}: {self.handed}"


class Capability(models.Model):
    """Whether a phone shows what a gateway sends (终端能力), as its carrier said.

    The phone is there as the blind index of its meeting's register: a table of all phones under one
    key would link the holders of all meetings.
    """

    gateway = models.CharField(max_length=30)
    phone_index = models.BinaryField(max_length=16)
    is_able = models.BooleanField()
    asked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "phone_index"], name="capability_once"),
        ]
        indexes = [
            # read by tasks.tidy_up: answers that are too old to be believed
            models.Index(fields=["asked_at"], name="capability_asked"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway}: {self.is_able}"

"""What gateways report later of messages, and the names by which they speak of them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class GatewayRef(models.Model):
    """A gateway's own name for a message, or for one part of a long one (通道编号).

    One name may stand for several messages of one request; then the receipt names the phone, too.
    """

    gateway = models.CharField(max_length=30)
    ref = models.CharField(max_length=64)
    delivery = models.BigIntegerField()
    part = models.PositiveSmallIntegerField(default=0)
    parts = models.PositiveSmallIntegerField(default=1)
    # of this part, by the states of Delivery; of a message in one part the delivery tells
    state = models.PositiveSmallIntegerField(default=0)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            # read by receipts.py, by gateway and ref
            models.UniqueConstraint(
                fields=["gateway", "ref", "delivery"], name="gateway_ref_once_a_message"
            ),
            models.CheckConstraint(
                condition=Q(part__lt=models.F("parts")), name="gateway_ref_part_of_parts"
            ),
        ]
        indexes = [
            # read by receipts.py: the other parts of a long message
            models.Index(fields=["delivery"], condition=Q(parts__gt=1), name="gateway_ref_parts"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway} {self.ref}"


class Receipt(models.Model):
    """A delivery receipt (状态报告) that a gateway posted, applied later in batches.

    Kept as it was read, not as raw text: many carriers' receipts carry phone numbers.
    """

    gateway = models.CharField(max_length=30)
    # of gateway and raw body: a repeat is one row
    digest = models.BinaryField(max_length=32, unique=True)
    lines = models.JSONField()  # [[ref, gateway_ref, report, reason], ...]
    # the lines' phones, sealed as one, where they name messages together with a gateway_ref
    phones = models.BinaryField(null=True)
    received_at = models.DateTimeField()
    due_at = models.DateTimeField()  # when to apply it, and later to try again
    applied_at = models.DateTimeField(null=True)
    matched = models.PositiveIntegerField(default=0)  # lines that named a delivery

    class Meta:
        indexes = [
            # read by tasks.apply_receipts
            models.Index(
                fields=["due_at"], condition=Q(applied_at__isnull=True), name="receipt_waiting"
            ),
        ]

    def __str__(self) -> str:
        return f"receipt {self.pk} of {self.gateway}"

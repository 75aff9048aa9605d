"""Messages to holders. PostgreSQL is the truth about each; Redis only rings the workers."""

from __future__ import annotations

from notifications.models.campaign import Campaign
from notifications.models.delivery import Delivery, DeliveryBatch, DeliveryQuerySet
from notifications.models.gateway import Capability, GatewayCount, GatewayHealth
from notifications.models.receipt import GatewayRef, Receipt
from notifications.models.suppression import Suppression, SuppressionKey

__all__ = [
    "Campaign",
    "Capability",
    "Delivery",
    "DeliveryBatch",
    "DeliveryQuerySet",
    "GatewayCount",
    "GatewayHealth",
    "GatewayRef",
    "Receipt",
    "Suppression",
    "SuppressionKey",
]

"""What deploy/monitoring/log.schema.json says of a line, for the tests of all who write one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from django.conf import settings

SCHEMA: dict[str, Any] = json.loads(
    (Path(settings.BASE_DIR) / "deploy" / "monitoring" / "log.schema.json").read_text()
)
TYPES = {"string": str, "integer": int, "number": (int, float)}


def faults_of(text: str) -> list[str]:
    """What is wrong with a line; of JSON Schema, the words that the schema uses."""
    try:
        line = json.loads(text)
    except ValueError:
        return [f"no JSON: {text}"]
    if not isinstance(line, dict):
        return [f"no object: {text}"]
    found = [f"no {name}" for name in SCHEMA["required"] if name not in line]
    for name, value in line.items():
        rule = SCHEMA["properties"].get(name)
        if rule is None:
            found.append(f"unknown: {name}")
        elif not isinstance(value, TYPES[rule["type"]]):
            found.append(f"{name} is no {rule['type']}: {value!r}")
        elif not re.search(rule.get("pattern", ""), str(value)) or (
            value not in rule.get("enum", [value])
        ):
            found.append(f"{name}: {value!r}")
    return found


def faulty(lines: list[str]) -> list[tuple[str, list[str]]]:
    """The lines with something wrong, and what."""
    return [(line, found) for line in lines if (found := faults_of(line))]

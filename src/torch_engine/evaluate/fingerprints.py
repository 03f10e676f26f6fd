"""Hashes by which scores are found again. Knows nothing of runs."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

"""
Lines of the trainer protocol: what is told on stdin, decoded and checked, and what is said on stdout. The transcripts in
test/protocol/transcripts are the authority for every language.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]

jobs = ("train", "evaluate", "check", "generate", "merge")
steering = ("stop", "checkpoint", "pause", "resume")
folders = ("checkpoints", "items", "samples", "model", "cache")


class NotProtocol(Exception):
    """A line that is no command."""


@dataclass(frozen=True)
class Start:
    job: str
    attempt: int
    recipe: dict[str, Any]
    paths: dict[str, str]
    outputs: dict[str, str]
    prepared: str | None
    """Folder of the artifact that the data pipeline wrote for this run."""
    threads: int | None
    checkpoint: str | None
    """The one to take up from."""
    fork: bool


def decode_command(line: str) -> Start | dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        raise NotProtocol(f"not JSON: {_short(line)}") from None
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "start":
        return _decode_start(value, line)
    if kind in steering or (kind == "recorded" and isinstance(value.get("checkpoint"), str)):
        return value
    raise NotProtocol(f"unknown message: {_short(line)}")


def encode_line(event: Event) -> bytes:
    """Keys without a value are left out; a number that JSON does not have is a fault of the caller."""
    known = {key: value for key, value in event.items() if value is not None}
    return (json.dumps(known, allow_nan=False, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def travelling(values: dict[str, float]) -> dict[str, Any]:
    """Splits numbers that are not finite off: they travel as null and are named."""
    metrics = {name: value if math.isfinite(value) else None for name, value in values.items()}
    broken = {name: _name(value) for name, value in values.items() if not math.isfinite(value)}
    return {"metrics": metrics, "nonFinite": broken} if broken else {"metrics": metrics}


def _name(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _decode_start(value: dict[str, Any], line: str) -> Start:
    def want(ok: bool, what: str) -> None:
        if not ok:
            raise NotProtocol(f"{what}: {_short(line)}")

    def texts(record: Any, keys: tuple[str, ...] = ()) -> bool:
        return (
            isinstance(record, dict)
            and all(isinstance(text, str) for text in record.values())
            and all(key in record for key in keys)
        )

    attempt, resume, threads = value.get("attempt"), value.get("resume"), value.get("threads")
    prepared = value.get("prepared")
    want(value.get("job") in jobs, "job")
    want(isinstance(attempt, int) and attempt >= 1, "attempt")
    want(isinstance(value.get("recipe"), dict), "recipe")
    want(texts(value.get("paths")), "paths")
    want(texts(value.get("outputs"), folders), "outputs")
    want(threads is None or (isinstance(threads, int) and threads >= 1), "threads")
    want(prepared is None or isinstance(prepared, str), "prepared")
    want(resume is None or (isinstance(resume, dict) and isinstance(resume.get("checkpoint"), str)), "resume")
    return Start(
        job=value["job"],
        attempt=attempt,
        recipe=value["recipe"],
        paths=value["paths"],
        outputs=value["outputs"],
        prepared=prepared,
        threads=threads,
        checkpoint=resume["checkpoint"] if resume else None,
        fork=bool(resume and resume.get("fork")),
    )


def _short(line: str) -> str:
    return line if len(line) <= 120 else f"{line[:120]}…"

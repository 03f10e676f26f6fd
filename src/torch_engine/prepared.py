"""
The prepared data of a run: tokens, targets, rows, which rows every step takes, and the items that are scored. Another
program made it from the recipe; here it is only read. The arrays are mapped, not loaded.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from .batch import Row, Tokens, replay_kind, row_length, task_kind
from .engine_error import EngineError
from .protocol import Start

version = 1


@dataclass(frozen=True)
class StepRows:
    """Rows of one optimizer step in its micro-batches: task rows first, and never both kinds in one."""

    micro_batches: list[tuple[str, list[Row]]]
    tokens: int
    task_tokens: int


@dataclass(frozen=True)
class Item:
    """What is scored as one: chunks of a text, the choices, or the good and the bad sentence."""

    line: int
    sequences: list[Tokens]
    main: int
    """Which of them stands for the item in the KL to the base; of a choice the right one."""
    characters: list[int] | None
    """Of a choice: the length of each."""


@dataclass(frozen=True)
class ScoredSet:
    name: str
    kind: str
    """text, choice, pairs; learning: held-out task rows."""
    file: str
    fingerprint: str
    replayed: bool
    budget: dict[str, float] | None
    items: list[Item]
    order: list[int]
    """A fixed order: what is scored during a run is the first so many of it."""


class Prepared:
    def __init__(self, folder: str) -> None:
        self.about = _read_about(folder)
        self._file = os.path.join(folder, "artifact.bin")
        self._mapped: dict[str, np.ndarray] = {}
        _check_size(self._file, self.about["bytes"])
        self.sets = [self._set(each) for each in self.about["sets"]]

    @property
    def steps(self) -> int:
        return self.about["steps"]

    def learning_rate(self, step: int) -> float:
        return float(self._section("learningRates")[step - 1])

    def at(self, step: int) -> StepRows:
        """Rows of step 1, 2, …"""
        batch = self.about["batch"]
        count = batch["taskRows"]
        task = [self._row(r) for r in self._section("taskRows")[(step - 1) * count : step * count]]
        replay = [self._row(r) for r in self._replayed(step)]
        task_tokens = sum(row_length(row) for row in task)
        return StepRows(
            micro_batches=[
                *((task_kind, rows) for rows in _blocks(task, batch["taskMicroRows"])),
                *((replay_kind, rows) for rows in _blocks(replay, batch["replayMicroRows"])),
            ],
            tokens=task_tokens + sum(row_length(row) for row in replay),
            task_tokens=task_tokens,
        )

    def train_sample(self) -> list[Row]:
        """The same rows in every run on these data."""
        return [self._row(r) for r in self.about.get("klRows", [])]

    def _replayed(self, step: int) -> np.ndarray:
        starts = self._section("replayStarts")
        return self._section("replayRows")[starts[step - 1] : starts[step]]

    def _row(self, r: int) -> list[Tokens]:
        starts, ids, targets = (self._section(name) for name in ("sequenceStarts", "ids", "targets"))
        first, end = self._section("rowStarts")[r : r + 2]
        return [Tokens(ids[starts[s] : starts[s + 1]], targets[starts[s] : starts[s + 1]]) for s in range(first, end)]

    def _set(self, about: dict[str, Any]) -> ScoredSet:
        starts, ids, targets = (self._section(name) for name in ("scoredStarts", "scoredIds", "scoredTargets"))
        bounds = [about["first"] + start for start in about["starts"]]
        items = [
            Item(
                line=line,
                sequences=[Tokens(ids[starts[s] : starts[s + 1]], targets[starts[s] : starts[s + 1]]) for s in own],
                main=about["main"][i],
                characters=about["characters"][i] if about["kind"] == "choice" else None,
            )
            for i, line in enumerate(about["lines"])
            for own in [range(bounds[i], bounds[i + 1])]
        ]
        return ScoredSet(
            name=about["name"],
            kind=about["kind"],
            file=about["file"],
            fingerprint=about["fingerprint"],
            replayed=about["replayed"],
            budget=about.get("budget"),
            items=items,
            order=about["order"],
        )

    def _section(self, name: str) -> np.ndarray:
        if name not in self._mapped:
            place = self.about["sections"][name]
            dtype, shape = np.dtype(place["dtype"]).newbyteorder("<"), (place["length"],)
            # Nothing cannot be mapped.
            is_empty = place["length"] == 0
            mapped = np.zeros(0, dtype) if is_empty else np.memmap(self._file, dtype, "r", place["offset"], shape)
            self._mapped[name] = mapped
        return self._mapped[name]


def prepared_of(start: Start) -> Prepared:
    if start.prepared is None:
        raise EngineError("protocol", "The start message names no prepared data, and this engine reads no others")
    return Prepared(start.prepared)


def _blocks(rows: list[Row], size: int) -> list[list[Row]]:
    return [rows[i : i + size] for i in range(0, len(rows), max(1, size))]


def _read_about(folder: str) -> dict[str, Any]:
    file = os.path.join(folder, "artifact.json")
    try:
        with open(file, encoding="utf-8") as handle:
            about = json.load(handle)
    except (OSError, ValueError) as error:
        raise EngineError("prepared-unreadable", f"The prepared data cannot be read: {error}", file=file) from error
    if about.get("v") != version:
        message = f"The prepared data have format {about.get('v')}, this engine reads {version}"
        raise EngineError("prepared-unreadable", message, file=file, remedy="Install engine and extension of one version.")
    return about


def _check_size(file: str, expected: int) -> None:
    size = os.path.getsize(file) if os.path.isfile(file) else 0
    if size == expected:
        return
    message = f"The prepared data have {size} of {expected} bytes"
    raise EngineError("prepared-unreadable", message, file=file, remedy="Start the run again.")

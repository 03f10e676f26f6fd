"""
Scores a tuned model beside its base: every item of the probe sets and of held-out task sets, and the KL to the base. A
fixed nested subset during the run, all items at the end. What the scores say of a budget is told by who reads them.
Knows nothing of training or of wires.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..atomic_file import write_atomic
from ..batch import Batch, Row, make_batch, row_length
from ..engine_error import EngineError
from ..model.tuned_language_model import BaseStates
from ..prepared import Prepared, ScoredSet
from ..protocol import Event
from .base_scores import BaseScores
from .fingerprints import digest
from .item_scores import ItemScore, Sum, score_items, scored_rows, sum_targets
from .model_pair import ModelPair

kl_rows = 32
"""Rows of each set on which the KL to the base is taken, and which are scored by the same pass."""
most_kept = 256 * 2**20
"""Bytes of the base's hidden states that are kept from one point to the next."""


@dataclass(frozen=True)
class Compared:
    losses: list[np.ndarray]
    """By row: −log p of each position, of the tuned model."""
    divergence: float
    """KL to the base, nats per target token over all rows."""


@dataclass
class Evaluator:
    pair: ModelPair
    prepared: Prepared
    train_sample: list[Row]
    items_in_run: int
    seed: int
    cache_folder: str
    cache_key: str
    items_folder: str
    on_progress: Callable[[str, float], None]

    def __post_init__(self) -> None:
        self._base: dict[str, BaseScores] = {}
        self._states: dict[tuple[str, int], BaseStates] = {}

    def evaluate(self, step: int, final: bool) -> Event:
        sets = self.prepared.sets
        scored: dict[str, Any] = {}
        lines: list[str] = []
        divergences = {"train": self._compare("train", self.train_sample).divergence} if self.train_sample else {}
        for i, each in enumerate(sets):

            def tell(phase: str, fraction: float, done: int = i) -> None:
                self.on_progress(phase, (done + fraction) / len(sets))

            places = _places(each, final, self.items_in_run)
            known: dict[int, Sum] = {}
            if each.kind != "learning":
                known, divergences[each.name] = self._compare_items(each)
            base, tuned = self._score(each, places, known, final, tell)
            lines += _item_lines(each, places, base, tuned)
            scored[each.name] = {
                "kind": each.kind,
                "replayed": each.replayed,
                **({"budget": each.budget} if each.budget else {}),
                "base": [_told(score) for score in base],
                "tuned": [_told(score) for score in tuned],
            }
        items = "final.jsonl" if final else f"step-{step:06d}.jsonl"
        write_atomic(os.path.join(self.items_folder, items), "".join(lines))
        return {
            "type": "scored",
            "step": step,
            "seed": self.seed,
            "final": final,
            "sets": scored,
            "kl": divergences,
            "items": items,
        }

    @property
    def sequences_in_run(self) -> int:
        """Sequences scored at one point during the run, for an estimate of its time."""
        return sum(
            len(each.items[place].sequences)
            for each in self.prepared.sets
            for place in _places(each, False, self.items_in_run)
        )

    def familiar_rows(self) -> list[Row] | None:
        """Some rows of the first probe set: the base should know them."""
        probe = next((each for each in self.prepared.sets if each.kind != "learning"), None)
        return [[item.sequences[item.main]] for item in probe.items[:scored_rows]] if probe else None

    def _score(
        self, each: ScoredSet, places: Sequence[int], known: dict[int, Sum], final: bool, tell: Callable[[str, float], None]
    ) -> tuple[list[ItemScore], list[ItemScore]]:
        def score(who: str, chosen: Sequence[int], phase: str, known: Sequence[Sum | None] = ()) -> list[ItemScore]:
            items = [each.items[place] for place in chosen]
            found = score_items(
                each.kind, items, lambda batch: self.pair.score(batch, who), lambda done: tell(phase, done), known
            )
            _refuse_not_finite(who, each, chosen, found)
            return found

        def score_base(missing: Sequence[int]) -> list[ItemScore]:
            own = self._base_sums(each) if known.keys() & set(missing) else {}
            return score("base", missing, "base scores", [own.get(place) for place in missing])

        if each.name not in self._base:
            key = digest([self.cache_key, each.kind, each.fingerprint])
            self._base[each.name] = BaseScores(self.cache_folder, key)
        base = self._base[each.name].of(places, score_base)
        phase = "final evaluation" if final else "evaluating"
        return base, score("tuned", places, phase, [known.get(place) for place in places])

    def _compare_items(self, each: ScoredSet) -> tuple[dict[int, Sum], float]:
        """The first of a set's order, each item by its main sequence: its scores by place, and the KL to the base."""
        places, rows = _compared_items(each)
        compared = self._compare(each.name, rows)
        return _sums(places, rows, compared.losses), compared.divergence

    def _base_sums(self, each: ScoredSet) -> dict[int, Sum]:
        """Of the same items in the same batches, so that a model that has not changed has forgotten nothing to the bit."""
        places, rows = _compared_items(each)
        losses: dict[int, np.ndarray] = {}
        for block, batch in _blocks(rows):
            losses.update(zip(block, self.pair.score(batch, "base"), strict=True))
        return _sums(places, rows, [losses[row] for row in range(len(rows))])

    def _compare(self, name: str, rows: list[Row]) -> Compared:
        """One pass of the tuned model gives the scores and the KL."""
        losses: dict[int, np.ndarray] = {}
        total, tokens = 0.0, 0
        for number, (block, batch) in enumerate(_blocks(rows)):
            scores, divergences = self.pair.compare(batch, self._base_states((name, number), batch))
            losses.update(zip(block, scores, strict=True))
            total += float(divergences.sum(dtype="float64"))
            tokens += int((batch.labels >= 0).sum())
        return Compared([losses[row] for row in range(len(rows))], total / tokens)

    def _base_states(self, place: tuple[str, int], batch: Batch) -> BaseStates | None:
        """Of the same rows at every point: kept as long as they are few."""
        if place in self._states:
            return self._states[place]
        states = self.pair.base_states(batch)
        if states is not None and states.bytes + sum(kept.bytes for kept in self._states.values()) <= most_kept:
            self._states[place] = states
        return states


def _blocks(rows: list[Row]) -> Iterator[tuple[list[int], Batch]]:
    """Batches of rows of about the same length, and which rows they hold."""
    by_length = sorted(range(len(rows)), key=lambda row: row_length(rows[row]))
    for start in range(0, len(rows), scored_rows):
        block = by_length[start : start + scored_rows]
        yield block, make_batch([rows[row] for row in block])


def _compared_items(each: ScoredSet) -> tuple[list[int], list[Row]]:
    places = each.order[:kl_rows]
    return list(places), [[each.items[place].sequences[each.items[place].main]] for place in places]


def _sums(places: list[int], rows: list[Row], losses: list[np.ndarray]) -> dict[int, Sum]:
    return {place: sum_targets(found, row[0]) for place, row, found in zip(places, rows, losses, strict=True)}


def plain_means(event: Event) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Of an evaluation: rise of loss and drop of accuracy in points by probe set, loss of the tuned by task set."""

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    rises, drops, losses = {}, {}, {}
    for name, each in event["sets"].items():
        base, tuned = each["base"], each["tuned"]
        if each["kind"] == "learning":
            losses[name] = mean([score["loss"] for score in tuned])
            continue
        rises[name] = mean([after["loss"] - before["loss"] for before, after in zip(base, tuned, strict=True)])
        if "correct" in base[0]:
            flipped = sum(s["correct"] for s in base) - sum(s["correct"] for s in tuned)
            drops[name] = 100 * (flipped / len(base))
    return rises, drops, losses


def _places(each: ScoredSet, final: bool, items_in_run: int) -> list[int]:
    """The first of a fixed order, the same for every run: smaller subsets lie within larger ones."""
    return list(range(len(each.items))) if final else each.order[:items_in_run]


def _told(score: ItemScore) -> ItemScore:
    return {key: value for key, value in score.items() if key != "pick"}


def _item_lines(
    each: ScoredSet, places: Sequence[int], base: Sequence[ItemScore], tuned: Sequence[ItemScore]
) -> list[str]:
    about = {"set": each.name, "kind": each.kind, "file": each.file}
    return [
        json.dumps({**about, "line": each.items[place].line, "base": base[i], "tuned": tuned[i]}, ensure_ascii=False) + "\n"
        for i, place in enumerate(places)
    ]


def _refuse_not_finite(who: str, each: ScoredSet, places: Sequence[int], scores: Sequence[ItemScore]) -> None:
    for place, score in zip(places, scores, strict=True):
        if math.isfinite(score["loss"]):
            continue
        line = each.items[place].line
        raise EngineError(
            "not-finite",
            f"The {who} model's loss on {each.name}, line {line}, is {score['loss']}",
            file=each.file,
            line=line,
            remedy="Lower the learning rate." if who == "tuned" else "The base model itself gives no finite loss here.",
        )

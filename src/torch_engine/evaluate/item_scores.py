"""
Scores items: what the log-likelihoods of an item's sequences say about it. One code path for the base and the tuned
model, for probe sets and for held-out task rows. Knows nothing of runs, caches or statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..batch import Batch, Tokens, make_batch
from ..prepared import Item

ItemScore = dict[str, Any]
"""loss: mean −log p of the item's target tokens, nats per token. tokens. correct, pick: of choice and pairs."""

ScoreBatch = Callable[[Batch], np.ndarray]

Sum = tuple[float, int]
"""Of a sequence's target tokens: −log p, and how many they are."""

scored_rows = 16
"""Sequences scored at once. Fixed, so that the numbers do not depend on a recipe's batch size."""


def score_items(
    kind: str,
    items: Sequence[Item],
    score: ScoreBatch,
    on_progress: Callable[[float], None] = lambda _: None,
    known: Sequence[Sum | None] = (),
) -> list[ItemScore]:
    """`known`: by item, what was found of its main sequence already."""
    sums: list[list[Sum | None]] = [[None] * len(each.sequences) for each in items]
    for own, each, already in zip(sums, items, known or [None] * len(items), strict=True):
        own[each.main] = already
    places = [
        (own, i, sequence)
        for own, each in zip(sums, items, strict=True)
        for i, sequence in enumerate(each.sequences)
        if own[i] is None
    ]
    places.sort(key=lambda place: len(place[2]))
    for start in range(0, len(places), scored_rows):
        block = places[start : start + scored_rows]
        losses = score(make_batch([[sequence] for _, _, sequence in block]))
        for row, (own, i, sequence) in zip(losses, block, strict=True):
            own[i] = sum_targets(row, sequence)
        on_progress(min(1.0, (start + scored_rows) / len(places)))
    return [_conclude(kind, item, own) for item, own in zip(items, sums, strict=True)]


def sum_targets(losses_T: np.ndarray, sequence: Tokens) -> Sum:
    """Position t holds the loss of token t + 1."""
    wanted = sequence.targets[1:] == 1
    return float(losses_T[: len(wanted)][wanted].sum(dtype=np.float64)), int(wanted.sum())


def _conclude(kind: str, item: Item, sums: list[Any]) -> ItemScore:
    if kind == "choice":
        # As acc_norm of lm-evaluation-harness: the highest log-likelihood per character wins; the first of equals.
        assert item.characters is not None
        per_character = [nll / count for (nll, _), count in zip(sums, item.characters, strict=True)]
        pick = per_character.index(min(per_character))
        return {**_mean_loss([sums[item.main]]), "correct": pick == item.main, "pick": pick}
    if kind == "pairs":
        # The whole sentence's log-likelihood decides; equal ones are wrong.
        good, bad = sums
        return {**_mean_loss([good]), "correct": good[0] < bad[0]}
    return _mean_loss(sums)


def _mean_loss(sums: list[Sum]) -> ItemScore:
    tokens = sum(count for _, count in sums)
    return {"loss": sum(nll for nll, _ in sums) / tokens, "tokens": tokens}

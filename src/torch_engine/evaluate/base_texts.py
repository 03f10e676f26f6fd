"""
`retain: auto`: a probe set of texts that the base itself writes, each token drawn as likely as the base thinks it. They are
kept in the cache that runs and engines share; where they are there already, the prepared data hold them as a set.

B rows, V vocabulary
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tokenizers
import torch

from ..atomic_file import write_atomic
from ..batch import Tokens
from ..data.random_streams import RandomStream
from ..engine_error import EngineError
from ..prepared import Item, Prepared, ScoredSet
from .fingerprints import digest
from .model_pair import ModelPair
from .pick_token import pick_tokens

name = "auto"

seed = 0
"""Whatever the run's seed: every run is judged by the same texts."""

rows_at_once = 64
timed_tokens = 4

Plan = dict[str, Any]
WrittenItem = list[list[int]]
"""Texts, each with its first token."""


def add_base_texts(
    prepared: Prepared, pair: ModelPair, base_folder: str, on_progress: Callable[[float], None]
) -> None:
    """The set that the recipe asks for, written now where nobody has yet."""
    plan = prepared.about.get("textsToWrite")
    if plan is None:
        return
    items = write_texts(pair, plan, on_progress)
    refuse_silent(items, plan)
    _keep(plan, items, os.path.join(base_folder, "tokenizer.json"))
    fingerprint = digest(items)
    prepared.sets.append(_set_of(plan, items, fingerprint))
    told = prepared.about["fingerprints"]
    told["comparison"] = digest([told["comparison"], fingerprint])
    told["probes"][name] = fingerprint


def announce_base_texts(prepared: Prepared, pair: ModelPair) -> float:
    """For a check: nothing is written, and said is how many seconds it will take."""
    plan = prepared.about.get("textsToWrite")
    if plan is None:
        return 0.0
    rows = min(rows_at_once, plan["items"])
    went: list[float] = []

    def pick(logits_BV: torch.Tensor) -> list[int] | None:
        went.append(time.perf_counter())
        return None if len(went) > timed_tokens else [plan["start"]] * len(logits_BV)

    pair.write("base", [[plan["start"]]] * rows, pick)
    seconds = (went[-1] - went[0]) / timed_tokens * plan["tokens"] * -(-plan["items"] // rows)
    prepared.about["warnings"].append(
        f"Before the first step the base will write {plan['items']} texts of {plan['tokens']} tokens for retain.auto, "
        f"once: about {_duration(seconds)}."
    )
    return seconds


def write_texts(pair: ModelPair, plan: Plan, on_progress: Callable[[float], None]) -> list[WrittenItem]:
    items: list[WrittenItem] = []
    for first in range(0, plan["items"], rows_at_once):
        lanes = range(first, min(first + rows_at_once, plan["items"]))
        share = len(lanes) / plan["items"]
        done = first / plan["items"]
        items += _write_block(pair, plan, lanes, lambda part: on_progress(done + part * share))
    return items


def _write_block(
    pair: ModelPair, plan: Plan, lanes: Sequence[int], on_progress: Callable[[float], None]
) -> list[WrittenItem]:
    """Where a text ends before its item is full, the item's next one begins in another round."""
    tokens, stop = plan["tokens"], set(plan["stop"])
    uniforms = [RandomStream(seed, "sample").uniform(tokens, lane) for lane in lanes]
    items: list[WrittenItem] = [[] for _ in lanes]
    written = [0] * len(items)
    while lacking := [i for i, count in enumerate(written) if count < tokens]:
        for i in lacking:
            items[i].append([plan["start"]])
        growing = set(lacking)

        def pick(logits_BV: torch.Tensor, lacking: list[int] = lacking, growing: set[int] = growing) -> list[int] | None:
            at = [uniforms[i][written[i]] if i in growing else 0.0 for i in lacking]
            chosen = pick_tokens(logits_BV, at)
            for i, token in zip(lacking, chosen, strict=True):
                if i not in growing:
                    continue
                items[i][-1].append(token)
                written[i] += 1
                if token in stop or written[i] == tokens:
                    growing.discard(i)
            on_progress(sum(written) / (tokens * len(written)))
            return chosen if growing else None

        pair.write("base", [[plan["start"]]] * len(lacking), pick)
    return items


def refuse_silent(items: Sequence[WrittenItem], plan: Plan) -> None:
    """Half of its tokens are ends: such texts would measure how it ends, and nothing else."""
    texts = [text for item in items for text in item]
    ended = sum(text[-1] in plan["stop"] for text in texts)
    tokens = sum(len(text) - 1 for text in texts)
    if 2 * ended <= tokens:
        return
    raise EngineError(
        "base-silent",
        f"The base model writes nothing unasked: {ended} of its {tokens} tokens end a text, "
        "so retain.auto would measure little else",
        remedy="Name sets of a file under retain.probes instead of retain.auto.",
    )


def _keep(plan: Plan, items: Sequence[WrittenItem], tokenizer_file: str) -> None:
    """One item a line, readable for people too; the last line vouches for the ids."""
    tokenizer = tokenizers.Tokenizer.from_file(tokenizer_file)
    read = [[tokenizer.decode(text[1:], skip_special_tokens=False) for text in item] for item in items]
    lines: list[dict[str, Any]] = [
        {"text": "\n".join(texts), "ids": item} for texts, item in zip(read, items, strict=True)
    ]
    lines.append({"key": plan["key"], "sha256": digest(items)})
    write_atomic(plan["file"], "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def _set_of(plan: Plan, items: Sequence[WrittenItem], fingerprint: str) -> ScoredSet:
    return ScoredSet(
        name=name,
        kind="text",
        file=plan["file"],
        fingerprint=fingerprint,
        replayed=False,
        budget=plan.get("budget"),
        items=[
            Item(line=i + 1, sequences=[_tokens(text) for text in texts], main=0, characters=None)
            for i, texts in enumerate(items)
        ],
        order=plan["order"],
    )


def _tokens(text: list[int]) -> Tokens:
    """Everything but the first was written by the base."""
    targets = np.ones(len(text), np.uint8)
    targets[0] = 0
    return Tokens(np.asarray(text, np.int32), targets)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"

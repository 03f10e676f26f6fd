"""
Checkpoints of a run: when one is written, which stay. A checkpoint is a dump of the state store with the counters a resume
needs; batches and random numbers follow from the step. Knows nothing of how a dump is written.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .atomic_file import write_atomic
from .evaluate.evaluator import plain_means
from .protocol import Event, Start
from .run_identity import RunIdentity, refuse_other
from .state.checkpoint import Counters, damage_of
from .state.state_store import StateStore

asked_file = "asked.json"
"""Lies in a checkpoint that the user asked for; says nothing of its contents."""
_named = re.compile(r"^a([1-9]\d{0,6})-step-(\d{1,12})$")


@dataclass(frozen=True)
class Progress:
    """Where a run stands: all a resume needs beside the tensors."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    evaluated_step: int = 0
    """The last evaluation that came to its end."""
    best_step: int | None = None
    """Of the best evaluation so far; see `score_of`."""
    best_excess: float = sys.float_info.max
    best_loss: float = sys.float_info.max


_keys = {name: re.sub(r"_(\w)", lambda found: found[1].upper(), name) for name in Progress.__dataclass_fields__}
"""Names of the counters in a checkpoint."""


@dataclass(frozen=True, order=True)
class CheckpointName:
    step: int
    attempt: int
    name: str
    asked: bool = field(default=False, compare=False)
    """The user asked for it while the run went on."""


def resume_from(start: Start, state: StateStore, identity: RunIdentity) -> Progress:
    """A run goes on only with what it began with; a fork may differ, as far as the tensors fit."""
    assert start.checkpoint is not None

    def check(counters: Counters) -> None:
        if not start.fork:
            refuse_other(start, identity, counters)

    state.load(start.checkpoint, check)
    progress = progress_in(state.counters)
    return Progress(progress.step, progress.tokens, progress.seconds) if start.fork else progress


def progress_in(counters: Counters) -> Progress:
    return replace(Progress(), **{name: counters[key] for name, key in _keys.items() if key in counters})


class Checkpoints:
    def __init__(self, start: Start, from_step: int) -> None:
        """Takes over what older attempts left up to the step this one takes up at, and sweeps what was left half done."""
        self._folder = start.outputs["checkpoints"]
        self._attempt = start.attempt
        self._rule: dict[str, Any] = start.recipe["checkpoint"]
        self._is_clean_up_due = False
        for name in _listed(self._folder):
            if name.startswith("."):
                _discard(self._folder, name)
        found = sorted(
            CheckpointName(int(parts[2]), int(parts[1]), name, _is_asked(self._folder, name))
            for name in _listed(self._folder)
            if (parts := _named.match(name))
        )
        is_resumed = start.checkpoint is not None
        self._kept = [each for each in found if is_resumed and each.step <= from_step]
        """Of this run's curve, whichever attempt wrote them."""
        self._beyond = [each for each in found if each not in self._kept]
        """What an older attempt wrote beyond the step this one took up at."""

    @property
    def newest(self) -> str | None:
        """Written by this attempt, and the older ones not looked at since."""
        return self._kept[-1].name if self._is_clean_up_due and self._kept else None

    def has(self, step: int) -> bool:
        return any(each.step == step for each in self._kept)

    def write(self, state: StateStore, progress: Progress, identity: RunIdentity) -> dict[str, Any]:
        name = f"a{self._attempt}-step-{progress.step}"
        state.counters = {**{_keys[key]: value for key, value in asdict(progress).items()}, "identity": identity}
        size = state.dump(os.path.join(self._folder, name))
        self._kept.append(CheckpointName(progress.step, self._attempt, name))
        self._is_clean_up_due = True
        return {"folder": name, "bytes": size}

    def keep(self, step: int) -> None:
        """The one of this step was asked for: it stays until the user removes it."""
        at = next((at for at in reversed(range(len(self._kept))) if self._kept[at].step == step), None)
        if at is None or self._kept[at].asked:
            return
        write_atomic(os.path.join(self._folder, self._kept[at].name, asked_file), json.dumps({"step": step}))
        self._kept[at] = replace(self._kept[at], asked=True)

    def remove_others(self, best_step: int | None) -> None:
        """Only once the newest is read back as it was written: there is always a checkpoint that can be used."""
        self._is_clean_up_due = False
        goes = expendable(self._kept, self._rule, best_step)
        abandoned = [] if "all" in self._rule["keep"] else [each for each in self._beyond if not each.asked]
        if not goes and not abandoned:
            return
        newest = self._kept[-1] if self._kept else None
        damage = damage_of(os.path.join(self._folder, newest.name)) if newest else "there is none"
        if damage is not None:
            name = newest.name if newest else "the newest"
            print(f"Older checkpoints stay: {name} cannot be used, {damage}", file=sys.stderr)
            return
        for each in [*goes, *abandoned]:
            _discard(self._folder, each.name)
        self._kept = [each for each in self._kept if each not in goes]
        self._beyond = []


def expendable(checkpoints: list[CheckpointName], rule: dict[str, Any], best_step: int | None) -> list[CheckpointName]:
    """
    What may go of the checkpoints of one curve. The newest stays whatever the rule says, and so does what the user asked
    for; of two of one step (a resume came to it again) the newer attempt's stands for both.
    """
    keep, every = rule["keep"], rule.get("keep_every")
    if "all" in keep:
        return []
    ordered = sorted(checkpoints)

    def is_counted(step: int) -> bool:
        return ("best" in keep and step == best_step) or (every is not None and step % every == 0)

    return [
        each
        for each, following in zip(ordered, ordered[1:], strict=False)
        if not each.asked and (following.step == each.step or not is_counted(each.step))
    ]


def score_of(event: Event) -> tuple[float, float]:
    """
    How good an evaluation is: first by how far forgetting exceeds its budgets (0 within all of them), then by the loss on
    held-out task rows; without such rows, later is better. In-run subsets only: the verdict at the end is taken on other
    items too.
    """
    rises, drops, losses = plain_means(event)
    excess = 0.0
    for name, each in event["sets"].items():
        budget = each.get("budget")
        if budget and each["kind"] != "learning":
            over = rises[name] - budget["nats"] if "nats" in budget else (drops[name] - budget["points"]) / 100
            excess += max(0.0, over)
    return excess, sum(losses.values()) / len(losses) if losses else -float(event["step"])


def is_better(score: tuple[float, float], than: Progress) -> bool:
    return score < (than.best_excess, than.best_loss)


def _listed(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def _is_asked(folder: str, name: str) -> bool:
    return os.path.exists(os.path.join(folder, name, asked_file))


def _discard(folder: str, name: str) -> None:
    """Out of sight in one rename: a folder half removed would look like a checkpoint. What stays is said."""
    hidden = name if name.startswith(".") else f".{name}.removed"
    try:
        if hidden != name:
            os.rename(os.path.join(folder, name), os.path.join(folder, hidden))
        shutil.rmtree(os.path.join(folder, hidden))
    except OSError as error:
        print(f"Cannot remove {os.path.join(folder, name)}: {error}", file=sys.stderr)

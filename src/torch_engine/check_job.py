"""The `check` job: everything up to the first step, the first batch as text, and an estimate from real steps."""

from __future__ import annotations

import time
from collections.abc import Callable

from .batch import make_batch
from .environment import finished_event, peak_memory_bytes
from .evaluate.item_scores import scored_rows
from .model.precision import choose_precision
from .open_run import Observer, OpenedRun, open_run, trains
from .prepared import prepared_of
from .protocol import Event, Start
from .run_identity import refuse_other, run_identity
from .state.checkpoint import read_counters, verify_checkpoint
from .trainer import check_step_zero

timed_steps = 2
"""Steps that are timed, after one that warms up."""


def check(start: Start, observer: Observer) -> Event:
    started_at = time.monotonic()
    run = open_run(start, observer, trial=True)
    observer(run.prepared.about["firstBatch"])
    observer({"type": "progress", "phase": "checks", "fraction": 0})
    check_step_zero(run, observer)
    observer({"type": "progress", "phase": "timing", "fraction": 0})
    observer(_estimate(run, start))
    return finished_event("completed", seconds=time.monotonic() - started_at)


def check_resume(start: Start) -> Event:
    """Says whether a run may go on from a checkpoint, without opening the model."""
    assert start.checkpoint is not None
    verify_checkpoint(start.checkpoint)
    identity = run_identity(prepared_of(start), trains(start.recipe, choose_precision(start.recipe)))
    refuse_other(start, identity, read_counters(start.checkpoint))
    return finished_event("completed")


def _estimate(run: OpenedRun, start: Start) -> Event:
    """The steps are real, with a rate of 0; nothing of them stays, because the model is given up afterwards."""
    prepared, model = run.prepared, run.model
    batches = [make_batch(rows, kind) for kind, rows in prepared.at(1).micro_batches]
    seconds_per_step = _seconds_of(lambda: model.step(batches, 0.0), timed_steps)
    sequences = [[sequence] for each in prepared.sets for item in each.items for sequence in item.sequences]
    seconds_per_sequence = 0.0
    if sequences:
        batch = make_batch(sequences[:scored_rows])
        seconds_per_sequence = _seconds_of(lambda: run.pair.score(batch, "tuned"), 1) / batch.rows
    points = (prepared.steps - 1) // start.recipe["evaluate"]["every"] + 1
    scored = points * run.evaluator.sequences_in_run + 2 * len(sequences)
    return {
        "type": "estimate",
        "memoryBytes": peak_memory_bytes(),
        "secondsPerStep": seconds_per_step,
        "seconds": run.seconds_to_write + prepared.steps * seconds_per_step + scored * seconds_per_sequence,
    }


def _seconds_of(call: Callable[[], object], times: int) -> float:
    """Mean of `times` calls after one that is not counted."""
    call()
    started_at = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started_at) / times

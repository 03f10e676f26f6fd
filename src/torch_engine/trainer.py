"""
The training loop, told top to bottom. Reports to an observer and looks at a control between steps; knows no wire, no run
folder and no run store but the output folders it is given.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch

from .batch import make_batch
from .checkpoints import Checkpoints, Progress, is_better, progress_in, resume_from, score_of
from .engine_error import EngineError
from .environment import finished_event
from .evaluate.step_zero import FirstStep, MadeBatch, refuse_failed, step_zero_checks
from .model.loss_sums import StepMetrics
from .open_run import Observer, OpenedRun, open_run
from .protocol import Event, Start, travelling
from .room_on_disk import when_there_is_room
from .run_control import RunControl
from .samples import Sampler
from .state.checkpoint import read_counters
from .weights.safetensors import TensorFiles

T = TypeVar("T")

recorded_within = 1.0
"""Seconds. A reader that lives answers at once; what is not cleaned up now goes with the next attempt."""


def train(start: Start, observer: Observer, control: RunControl) -> Event:
    def interruptible(event: Event) -> None:
        if event["type"] == "progress" and control.is_stopping:
            raise Interrupted
        observer(event)

    try:
        run = open_run(start, interruptible)
    except Interrupted:
        return _finished("stopped", progress_in(read_counters(start.checkpoint)) if start.checkpoint else Progress())
    return Training(run, start, interruptible, control).to_the_end()


class Interrupted(Exception):
    """Thrown out of evaluations and loading when the run is to stop: they can be long."""


class Training:
    """One attempt at a run, from its first or its resumed step on."""

    def __init__(self, run: OpenedRun, start: Start, observer: Observer, control: RunControl) -> None:
        self._run = run
        self._start = start
        self._observer = observer
        self._control = control
        self._sampler = Sampler(run.pair, run.model, run.prepared, run.model_folder, start.outputs["samples"])
        self._progress = Progress()
        self._clock = Stopwatch(0)

    def to_the_end(self) -> Event:
        try:
            self._begin()
            self._take_steps()
            if self._progress.step == self._run.prepared.steps:
                return self._conclude()
        except Interrupted:
            pass
        self._checkpoint()
        if newest := self._checkpoints.newest:
            self._control.until_recorded(newest, recorded_within)
        self._clean_up()
        return _finished("stopped", replace(self._progress, seconds=self._clock.seconds))

    def _begin(self) -> None:
        run, start = self._run, self._start
        if start.checkpoint:
            self._progress = resume_from(start, run.model.state, run.identity)
        self._checkpoints = Checkpoints(start, self._progress.step)
        self._clock = Stopwatch(self._progress.seconds)
        for series in run.prepared.about["series"]:
            self._observer(series)
        if self._progress.step > 0:
            return self._take_up()
        self._observer({"type": "progress", "phase": "checks", "fraction": 0})
        check_step_zero(run, self._observer)
        self._evaluate(final=False)
        self._clock = Stopwatch(0)

    def _take_up(self) -> None:
        """The stop may have come in the middle of the evaluation that belongs to this step."""
        step, steps = self._progress.step, self._run.prepared.steps
        if step > steps:
            message = f"The checkpoint is at step {step}, the recipe ends at {steps}"
            raise EngineError("recipe-invalid", message, remedy="Raise train.max_steps.")
        is_missing = step % self._start.recipe["evaluate"]["every"] == 0 and self._progress.evaluated_step < step
        if is_missing and step < steps:
            self._evaluate(final=False)

    def _take_steps(self) -> None:
        recipe, steps = self._start.recipe, self._run.prepared.steps
        while self._progress.step < steps:
            self._clock.paused_while(self._control.until_resumed)
            if self._control.is_stopping:
                return
            step = self._progress.step + 1
            self._take_step(step)
            self._clean_up()
            is_last = step == steps
            if step % recipe["evaluate"]["every"] == 0 and not is_last:
                self._evaluate(final=False)
            is_asked = self._control.is_checkpoint_asked
            if is_asked or is_last or step % recipe["checkpoint"]["every"] == 0:
                self._checkpoint()

    def _take_step(self, step: int) -> None:
        prepared = self._run.prepared
        rows, learning_rate = prepared.at(step), prepared.learning_rate(step)
        started_at = time.perf_counter()
        metrics = self._run.model.step([make_batch(own, kind) for kind, own in rows.micro_batches], learning_rate)
        values = {
            **_values_of(metrics),
            "learningRate": learning_rate,
            "tokens": rows.tokens,
            "taskTokens": rows.task_tokens,
            "tokensPerSecond": rows.tokens / (time.perf_counter() - started_at),
        }
        self._observer({"type": "step", "step": step, **travelling(values)})
        _refuse_not_finite(self._run, step, values, metrics)
        self._progress = replace(self._progress, step=step, tokens=self._progress.tokens + rows.tokens)

    def _conclude(self) -> Event:
        """All items, on the weights as they are saved; then the model itself."""
        run, recipe = self._run, self._start.recipe
        run.writer.use_saved_precision()
        self._evaluate(final=True)
        self._observer({"type": "progress", "phase": "saving", "fraction": 0})
        info = {
            "name": recipe["name"],
            "variant": recipe["variant"],
            "attempt": self._start.attempt,
            "step": self._progress.step,
            "fingerprints": run.fingerprints,
        }
        self._write(lambda: run.writer.write(self._start.outputs["model"], info))
        self._clean_up()
        return {**_finished("completed", replace(self._progress, seconds=self._clock.seconds)), "model": "."}

    def _evaluate(self, final: bool) -> None:
        step = self._progress.step
        event = self._write(lambda: self._run.evaluator.evaluate(step, final))
        self._observer(event)
        for sample in self._write(lambda: self._sampler.answers(step)):
            self._observer(sample)
        self._progress = replace(self._progress, evaluated_step=step)
        if not final and step > 0:
            self._keep_if_best(event)

    def _keep_if_best(self, event: Event) -> None:
        score = score_of(event)
        if "best" not in self._start.recipe["checkpoint"]["keep"] or not is_better(score, self._progress):
            return
        self._progress = replace(
            self._progress, best_step=self._progress.step, best_excess=score[0], best_loss=score[1]
        )
        self._checkpoint()

    def _checkpoint(self) -> None:
        step = self._progress.step
        if step == 0:
            return
        is_asked = self._control.take_checkpoint_request()
        if not self._checkpoints.has(step):
            self._progress = replace(self._progress, seconds=self._clock.seconds)
            run = self._run
            written = self._write(lambda: self._checkpoints.write(run.model.state, self._progress, run.identity))
            self._observer({"type": "checkpointed", "step": step, **written})
        if is_asked:
            self._write(lambda: self._checkpoints.keep(step))

    def _clean_up(self) -> None:
        """Until the reader has kept everything up to the newest one, a resume may need an older one."""
        newest = self._checkpoints.newest
        if newest and self._control.is_recorded(newest):
            self._checkpoints.remove_others(self._progress.best_step)

    def _write(self, write: Callable[[], T]) -> T:
        return when_there_is_room(write, self._observer, self._control)


def check_step_zero(run: OpenedRun, observer: Observer) -> None:
    """Reports the checks before it refuses a failed one."""
    batches = [MadeBatch(make_batch(own, kind), own) for kind, own in run.prepared.at(1).micro_batches]
    first = FirstStep(batches, run.evaluator.familiar_rows())
    checked = step_zero_checks(run.model, first, TensorFiles(run.model_folder))
    observer(checked)
    refuse_failed(checked)


def _finished(reason: str, progress: Progress) -> Event:
    return finished_event(reason, step=progress.step, seconds=progress.seconds, tokens=progress.tokens)


def _values_of(metrics: StepMetrics) -> dict[str, float]:
    replay = {} if metrics.replay_loss is None else {"replayLoss": metrics.replay_loss}
    return {
        "loss": metrics.loss,
        "objective": metrics.objective,
        **replay,
        **metrics.penalties,
        "gradientNorm": metrics.gradient_norm,
        **({} if metrics.loss_scale is None else {"lossScale": metrics.loss_scale, "skippedSteps": metrics.skipped_steps}),
    }


def _refuse_not_finite(run: OpenedRun, step: int, values: dict[str, float], metrics: StepMetrics) -> None:
    """
    Never goes on in silence with NaN: names the metric and the first tensor that is broken too. A gradient that overflowed
    f16 was not used; once even an unscaled one does, scaling has nothing left to give.
    """
    if metrics.is_skipped and metrics.loss_scale is not None and metrics.loss_scale > 1:
        values = {name: value for name, value in values.items() if name != "gradientNorm"}
    broken = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    if not broken:
        return
    tensors = run.model.trained.items()
    where = next((f"; the first broken tensor is {name}" for name, t in tensors if not torch.isfinite(t).all()), "")
    raise EngineError(
        "not-finite",
        f"Step {step}: {', '.join(broken)}{where}",
        remedy=f"{_way_out(metrics)}Lower train.learning_rate or train.max_grad_norm, or add warmup_steps. What was saved before is sound.",
    )


def _way_out(metrics: StepMetrics) -> str:
    return "" if metrics.loss_scale is None else "Numbers above 65504 do not exist in f16: take train.precision: bf16 or f32. "


class Stopwatch:
    """Seconds since it was made, on top of earlier attempts, without the pauses."""

    def __init__(self, earlier: float) -> None:
        self._earlier = earlier
        self._started_at = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._earlier + time.monotonic() - self._started_at

    def paused_while(self, pause: Callable[[], None]) -> None:
        before = time.monotonic()
        pause()
        self._started_at += time.monotonic() - before

"""
Jobs on finished models: `evaluate` compares the recipe's model with `retain.base` on its probe sets and data.eval;
`generate` answers its prompts with both. Nothing is trained.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .engine_error import EngineError
from .environment import finished_event
from .evaluate.model_pair import ModelPair
from .model.precision import choose_precision
from .model.tuned_language_model import TunedLanguageModel
from .open_finished import open_finished
from .open_run import Observer, cache_key, check_fits, evaluator_of, open_base_texts, path_of, use_threads
from .prepared import Prepared, prepared_of
from .protocol import Event, Start
from .samples import Sampler

Work = Callable[[TunedLanguageModel, ModelPair, Prepared], None]


def evaluate(start: Start, observer: Observer) -> Event:
    def work(model: TunedLanguageModel, pair: ModelPair, prepared: Prepared) -> None:
        open_base_texts(start, prepared, pair, observer)
        if not prepared.sets:
            remedy = "Name at least one probe set."
            raise EngineError("data-empty", "There is nothing to evaluate on", remedy=remedy)
        for series in prepared.about["series"]:
            observer(series)
        key = cache_key(prepared, model.precision)
        observer(evaluator_of(start, prepared, pair, key, observer).evaluate(0, final=True))

    return _with_both_models(start, work)


def generate(start: Start, observer: Observer) -> Event:
    def work(model: TunedLanguageModel, pair: ModelPair, prepared: Prepared) -> None:
        folder = path_of(start, start.recipe["retain"]["base"])
        samples = Sampler(pair, model, prepared, folder, start.outputs["samples"]).answers(0)
        if not samples:
            raise EngineError("data-empty", "There is no prompt", remedy="Add retain.prompts.")
        for sample in samples:
            observer(sample)

    return _with_both_models(start, work)


def _with_both_models(start: Start, work: Work) -> Event:
    started_at = time.monotonic()
    use_threads(start)
    prepared = prepared_of(start)
    model_folder = path_of(start, start.recipe["model"])
    base_folder = path_of(start, start.recipe["retain"]["base"])
    model, pair = open_finished(start, model_folder, base_folder, choose_precision(start.recipe))
    check_fits(model, prepared, start)
    work(model, pair, prepared)
    return finished_event("completed", seconds=time.monotonic() - started_at)

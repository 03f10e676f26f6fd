"""Opens what a run needs, in order: data, model, base, evaluator; says what was prepared."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .engine_error import EngineError
from .environment import environment, peak_memory_bytes
from .evaluate.base_texts import add_base_texts, announce_base_texts
from .evaluate.evaluator import Evaluator
from .evaluate.fingerprints import digest
from .evaluate.model_pair import ModelPair
from .model import bits_and_bytes, four_bits
from .model.compiling import fault
from .model.memory import Shape, bytes_needed
from .model.memory_sizes import load_of
from .model.open_tuning_model import is_compiled, open_tuning_model
from .model.precision import Precision, choose_precision, use_deterministic
from .model.save_model import ModelWriter
from .model.tuned_language_model import TunedLanguageModel
from .numerics import numerics_version
from .prepared import Prepared, prepared_of
from .protocol import Event, Start
from .run_identity import RunIdentity, run_identity
from .same_tokenizer import refuse_other_reading

Observer = Callable[[Event], None]


@dataclass
class OpenedRun:
    prepared: Prepared
    model: TunedLanguageModel
    model_folder: str
    pair: ModelPair
    evaluator: Evaluator
    writer: ModelWriter
    fingerprints: dict
    identity: RunIdentity
    """What a resumed run must share with its beginning."""
    seconds_to_write: float
    """Of a trial: how long the base will write before the first step."""


def open_run(start: Start, observer: Observer, *, trial: bool = False) -> OpenedRun:
    """`trial`: nothing will be trained, so what takes long and is needed for results alone is left out."""
    recipe = start.recipe
    observer({"type": "progress", "phase": "loading", "fraction": 0})
    prepared = prepared_of(start)
    threads = use_threads(start)
    use_deterministic(recipe)
    precision = choose_precision(recipe)
    model_folder, base_folder = path_of(start, recipe["model"]), path_of(start, recipe["retain"]["base"])
    held = peak_memory_bytes()
    model = open_tuning_model(model_folder, recipe, precision)
    observer({"type": "progress", "phase": "loading", "fraction": 1})
    check_fits(model, prepared, start)
    refuse_other_reading(model_folder, prepared.about["tokenizer"]["samples"])
    pair = ModelPair(model, open_other_base(start, model, base_folder) if base_folder != model_folder else None)
    seconds_to_write = open_base_texts(start, prepared, pair, observer, trial=trial)
    fingerprints = {**prepared.about["fingerprints"], "cacheKey": cache_key(prepared, precision)}
    observer(_prepared_event(start, prepared, model, fingerprints, threads, held))
    return OpenedRun(
        prepared=prepared,
        model=model,
        model_folder=model_folder,
        pair=pair,
        evaluator=evaluator_of(start, prepared, pair, fingerprints["cacheKey"], observer),
        writer=ModelWriter(model, model_folder, model.lora, recipe["output"]["dtype"]),
        fingerprints=fingerprints,
        identity=run_identity(prepared, trains(recipe, precision)),
        seconds_to_write=seconds_to_write,
    )


def open_base_texts(
    start: Start, prepared: Prepared, pair: ModelPair, observer: Observer, *, trial: bool = False
) -> float:
    """`retain: auto`: adds its set. A trial only tells how many seconds the base will write."""
    if trial:
        return announce_base_texts(prepared, pair)
    folder = path_of(start, start.recipe["retain"]["base"])

    def tell(done: float) -> None:
        observer({"type": "progress", "phase": "base writes", "fraction": done})

    add_base_texts(prepared, pair, folder, tell)
    return 0.0


def path_of(start: Start, written: str) -> str:
    """The recipe's path as the launcher checked it."""
    if written in start.paths:
        return start.paths[written]
    remedy = "Paths are relative to the recipe and must lie within the allowed folders."
    raise EngineError("path-not-allowed", f"{written} was not resolved to a file", remedy=remedy)


def use_threads(start: Start) -> int:
    threads = start.threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    return threads


def computes(precision: Precision) -> str:
    packed = f", base in nf4 by bitsandbytes {bits_and_bytes.version()}" if precision.is_base_packed else ""
    return f"torch {torch.__version__} {precision.device.type} {precision.name}{packed}"


def trains(recipe: dict, precision: Precision) -> str:
    packed = f", moments by bitsandbytes {bits_and_bytes.version()}" if recipe["train"].get("optim") == "adamw_8bit" else ""
    compiled = ", compiled" if is_compiled(recipe, precision) else ""
    return computes(precision) + packed + compiled


def cache_key(prepared: Prepared, precision: Precision) -> str:
    return digest([prepared.about["scoringKey"], numerics_version, computes(precision)])


def open_other_base(start: Start, model: TunedLanguageModel, folder: str) -> TunedLanguageModel:
    """Where forgetting is measured against another base."""
    plain = {**start.recipe, "adapter": None, "method": {}}
    base = open_tuning_model(folder, plain, model.precision.of_other_base(), is_tuned=False)
    if base.vocabulary_size != model.vocabulary_size:
        message = f"The base has {base.vocabulary_size} tokens, the model {model.vocabulary_size}"
        remedy = "Choose a base of the same family in retain.base."
        raise EngineError("base-mismatch", message, file=folder, remedy=remedy)
    return base


def check_fits(model: TunedLanguageModel, prepared: Prepared, start: Start) -> None:
    size, length = prepared.about["tokenizer"]["size"], start.recipe["train"]["max_length"]
    if not model.vocabulary_size / 2 < size <= model.vocabulary_size:
        raise EngineError(
            "tokenizer-mismatch",
            f"The tokenizer has {size} tokens, the model's vocabulary {model.vocabulary_size}: they do not belong together",
            file=path_of(start, start.recipe["model"]),
            remedy="Put the tokenizer files that came with this model into its folder.",
        )
    if length > model.max_positions:
        message = f"train.max_length is {length}, the model takes {model.max_positions} tokens"
        remedy = f"Set train.max_length to {model.max_positions} or less."
        raise EngineError("recipe-invalid", message, remedy=remedy)


def evaluator_of(start: Start, prepared: Prepared, pair: ModelPair, key: str, observer: Observer) -> Evaluator:
    recipe, outputs = start.recipe, start.outputs
    return Evaluator(
        pair=pair,
        prepared=prepared,
        train_sample=prepared.train_sample(),
        items_in_run=recipe["evaluate"]["items"],
        seed=recipe["train"]["seed"],
        cache_folder=outputs["cache"],
        cache_key=key,
        items_folder=outputs["items"],
        on_progress=lambda phase, done: observer({"type": "progress", "phase": phase, "fraction": done}),
    )


def runtime_of(precision: Precision) -> dict[str, str]:
    provider = precision.device.type if precision.name == "f32" else f"{precision.device.type} {precision.name}"
    packed = ", base in nf4" if precision.is_base_packed else ""
    return {"name": f"torch {torch.__version__}", "provider": f"{provider}{packed}", "reason": precision.reason}


def memory_needed(start: Start, model: TunedLanguageModel) -> int:
    recipe, config = start.recipe, model.transformer.config.get_text_config()
    width = config.hidden_size
    is_cpu = model.device.type == "cpu"
    return bytes_needed(
        Shape(
            parameters=model.parameters,
            trained=model.trained_parameters,
            width=width,
            layers=config.num_hidden_layers,
            inner=getattr(config, "intermediate_size", None) or 4 * width,
            vocabulary=model.vocabulary_size,
            packed=sum(four_bits.count_of(p) for p in model.own_parameters().values() if four_bits.is_packed(p)),
        ),
        load_of(recipe, model.precision, 4 if is_cpu else model.transformer.dtype.itemsize, model.vocabulary_size),
    )


def _prepared_event(
    start: Start, prepared: Prepared, model: TunedLanguageModel, fingerprints: dict, threads: int, held: int
) -> Event:
    """`held`: memory that was taken before the model was opened; on a CPU that of the libraries, which is most of a small run's."""
    about, teacher = prepared.about, model.teacher
    told = {**environment(threads), "optimizer": model.optimizer_in_words, "attention": model.attention_in_words}
    if start.recipe["train"].get("torch_compile"):
        why = fault(model.device.type)
        told["compile"] = "the layers, for training; measured uncompiled" if model.is_compiled else f"not compiled: {why}"
        if why is not None:
            about["warnings"].append(f"train.torch_compile: the run goes on uncompiled, because {why}.")
    if teacher:
        told["teacher"] = f"{teacher.teacher}: {teacher.reason}"
    return {
        "type": "prepared",
        "fingerprints": fingerprints,
        "runtime": runtime_of(model.precision),
        "parameters": model.parameters,
        "trainedParameters": model.trained_parameters,
        "trainedShare": model.trained_parameters / model.parameters,
        "trained": _describe_trained(model),
        "steps": prepared.steps,
        "memoryEstimateBytes": held + memory_needed(start, model),
        "data": about["data"],
        "probes": about["probes"],
        "environment": told,
        "warnings": about["warnings"],
    }


def _describe_trained(model: TunedLanguageModel) -> str:
    """ "gate_proj, up_proj (8 tensors)"."""
    tensors = f"({len(model.trained_names)} tensors)"
    if model.trained_parameters == model.parameters:
        return f"everything {tensors}"
    hidden = ("weight", "bias", "lora_A", "lora_B", "lora_magnitude_vector")
    modules = [[part for part in name.split(".") if part not in hidden][-1] for name in model.trained_names]
    return f"{'LoRA on ' if model.lora else ''}{', '.join(dict.fromkeys(modules))} {tensors}"

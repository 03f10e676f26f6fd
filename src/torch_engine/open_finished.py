"""
Opens a finished model beside the base it is compared with: a model folder, or a PEFT adapter folder that sits on the base.
Nothing of it will be trained.
"""

from __future__ import annotations

import os

from .engine_error import EngineError
from .evaluate.model_pair import ModelPair
from .model.open_tuning_model import open_tuning_model
from .model.precision import Precision
from .model.tuned_language_model import TunedLanguageModel
from .open_run import open_other_base
from .protocol import Start
from .weights.safetensors import refuse_pickles

config_file = "adapter_config.json"


def open_finished(
    start: Start, model_folder: str, base_folder: str, precision: Precision
) -> tuple[TunedLanguageModel, ModelPair]:
    untouched = {**start.recipe, "adapter": None, "method": {}}
    if not os.path.isfile(os.path.join(model_folder, config_file)):
        model = open_tuning_model(model_folder, untouched, precision, is_tuned=False)
        return model, ModelPair(model, None if base_folder == model_folder else open_other_base(start, model, base_folder))
    if model_folder == base_folder:
        raise EngineError(
            "base-missing",
            "An adapter folder is no model of its own",
            file=model_folder,
            remedy="Name the model it was trained on as the base.",
        )
    base = open_tuning_model(base_folder, untouched, precision, is_tuned=False)
    model = open_tuning_model(base_folder, untouched, precision, is_tuned=False)
    refuse_pickles(model_folder)
    _load_adapter(model, model_folder)
    return model, ModelPair(model, base)


def _load_adapter(model: TunedLanguageModel, folder: str) -> None:
    """Merged at once: what is compared is what it computes. Into 4 bits nothing can be merged without rounding it."""
    import peft

    try:
        adapted = peft.PeftModel.from_pretrained(model.transformer, folder, is_trainable=False)
        if not model.precision.is_base_packed:
            adapted.base_model.merge_adapter()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise EngineError(
            "adapter-mismatch",
            f"The adapter does not fit the base: {str(error).splitlines()[0]}",
            file=folder,
            remedy="Name the model it was trained on as the base.",
        ) from error

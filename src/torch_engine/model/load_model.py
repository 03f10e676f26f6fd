"""
A Hugging Face folder as a transformers model in memory: safetensors alone, never remote code, and every tensor that the
configuration asks for. What cannot be computed exactly is refused by name.
"""

from __future__ import annotations

import inspect
import json
import os
from typing import Any

import safetensors
import torch
import transformers

from ..engine_error import EngineError
from ..weights.safetensors import refuse_pickles
from . import four_bits
from .bits_and_bytes import require_bitsandbytes
from .loss_head import Head
from .precision import Precision

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def load_model(folder: str, precision: Precision) -> transformers.PreTrainedModel:
    """On the CPU every number is f32; on a GPU the base stays in the format of its file. Or its maps are packed."""
    _check_config(folder)
    refuse_pickles(folder)
    packing: dict[str, Any] = {}
    if precision.is_base_packed:
        require_bitsandbytes("adapter.load_in_4bit")
        packing = four_bits.loading_options(precision.device, precision.compute)
    dtype = torch.float32 if precision.device.type == "cpu" else "auto"
    try:
        model, found = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **packing,
        )
    except safetensors.SafetensorError as error:
        remedy = "Copy or download the model again."
        message = f"The weights are no whole safetensors file: {error}"
        raise EngineError("weights-unreadable", message, file=folder, remedy=remedy) from error
    except (OSError, ValueError, KeyError) as error:
        message = f"transformers {transformers.__version__} cannot open the model: {error}"
        remedy = "Take a model of a family that this version of transformers knows."
        raise EngineError("model-unsupported", message, file=folder, remedy=remedy) from error
    _refuse_misfit(folder, found)
    _silence_dropout(model)
    _let_every_token_learn(model)
    four_bits.keep_one_path(model)
    model.requires_grad_(False)
    return model.to(precision.device).eval()


def head_of(model: transformers.PreTrainedModel) -> Head:
    """How hidden states become logits, checked against the model's own on a few tokens."""
    layer = model.get_output_embeddings()
    config = model.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1.0
    scale /= getattr(config, "logits_scaling", None) or 1.0
    head = Head(layer.weight, getattr(layer, "bias", None), scale, getattr(config, "final_logit_softcapping", None))
    ids = torch.arange(1, 9, device=layer.weight.device)[None] % layer.weight.shape[0]
    with torch.no_grad():
        own = model(input_ids=ids, use_cache=False).logits.float()
        ours = head.logits(model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state)
    tolerance = 1e-4 if layer.weight.dtype == torch.float32 else 5e-2
    if own.shape == ours.shape and torch.allclose(own, ours, rtol=tolerance, atol=tolerance):
        return head
    remedy = "Take a model whose logits are a linear map of its last hidden states."
    raise EngineError("model-unsupported", f"{type(model).__name__} has an output head of its own", remedy=remedy)


def takes_positions(model: transformers.PreTrainedModel) -> bool:
    return "position_ids" in inspect.signature(model.get_decoder().forward).parameters


def _check_config(folder: str) -> None:
    file = os.path.join(folder, "config.json")
    try:
        with open(file, encoding="utf-8") as handle:
            config: dict[str, Any] = json.load(handle)
    except OSError as error:
        message = f"There is no model in {folder}: config.json cannot be read"
        remedy = "Give `model` a folder in Hugging Face layout, or holdfast-tiny."
        raise EngineError("model-not-found", message, file=file, remedy=remedy) from error
    except ValueError as error:
        raise EngineError("model-config", f"{file} is not JSON", file=file) from error
    kind = config.get("model_type")
    if "auto_map" in config and kind not in transformers.CONFIG_MAPPING:
        raise EngineError(
            "remote-code",
            f"The model type {kind} brings its own Python code, which is never run",
            file=file,
            remedy="Take a model of a family that transformers itself knows.",
        )
    if config.get("quantization_config"):
        remedy = "Take the weights before quantization; adapter.load_in_4bit quantizes them as they are loaded."
        raise EngineError("model-unsupported", "Quantized weights cannot be tuned", file=file, remedy=remedy)


def _refuse_misfit(folder: str, found: Any) -> None:
    """transformers would start missing tensors from random numbers."""
    for what, words in (("missing_keys", "is missing"), ("mismatched_keys", "has another shape than config.json asks for")):
        names = sorted(str(key[0] if isinstance(key, tuple) else key) for key in found.get(what) or [])
        if names:
            remedy = "config.json and the weights do not belong together: download or export the folder again."
            raise EngineError("model-mismatch", f"{names[0]} {words}", file=folder, remedy=remedy)


def _silence_dropout(model: torch.nn.Module) -> None:
    """What is trained and what is measured are the same function."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name in ("attention_dropout", "dropout_prob"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def _let_every_token_learn(model: torch.nn.Module) -> None:
    """
    transformers withholds the gradient of the padding token's embedding, which many models also use as BOS or EOS. No loss
    flows back through padding cells, so there is nothing to withhold.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None

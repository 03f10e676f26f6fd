"""
What a recipe would need on a model that is not open: shapes from the headers of its files, the rest from its
configuration. Knows no tensors' values and loads none.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any

from ..methods.narrow import is_in_layers
from .loss_head import chunk_size
from .memory import Load, Shape, bytes_needed
from .precision import Precision, choose_precision
from .tuning_plan import plan_tuning

Shapes = dict[str, tuple[int, ...]]
longest_header = 100 * 1024 * 1024


class ModelSizes:
    def __init__(self, folder: str) -> None:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as handle:
            config = json.load(handle)
        self._config: dict[str, Any] = config.get("text_config", config)
        self._shapes, self._bytes = _headers(folder)

    def bytes_for(self, recipe: dict[str, Any]) -> int:
        """Of one step as the recipe asks for it."""
        precision = choose_precision(recipe)
        parameters = sum(math.prod(shape) for shape in self._shapes.values())
        width = self._config["hidden_size"]
        shape = Shape(
            parameters=parameters,
            trained=self._trained(recipe),
            width=width,
            layers=self._config["num_hidden_layers"],
            inner=self._config.get("intermediate_size") or 4 * width,
            vocabulary=self._config["vocab_size"],
            packed=self._maps_in_layers() if precision.is_base_packed else 0,
        )
        weight_bytes = 4 if precision.device.type == "cpu" else -(-self._bytes // max(1, parameters))
        return bytes_needed(shape, load_of(recipe, precision, weight_bytes, shape.vocabulary))

    def _maps_in_layers(self) -> int:
        """Weights of the linear maps that 4 bits are for."""
        own = ((name, shape) for name, shape in self._shapes.items() if len(shape) == 2 and name.endswith(".weight"))
        return sum(math.prod(shape) for name, shape in own if is_in_layers(name))

    def _trained(self, recipe: dict[str, Any]) -> int:
        plan = plan_tuning(recipe, {name: len(shape) for name, shape in self._shapes.items()})
        if plan.adapter is None:
            return sum(math.prod(self._shapes[name]) for name in plan.tensors)
        return plan.adapter.settings["r"] * sum(sum(self._shapes[f"{name}.weight"]) for name in plan.adapter.modules)


def load_of(recipe: dict[str, Any], precision: Precision, weight_bytes: int, vocabulary: int) -> Load:
    train, regularize, is_adapter = recipe["train"], recipe["method"].get("regularize"), bool(recipe.get("adapter"))
    return Load(
        rows=train["micro_batch_size"],
        length=train["max_length"],
        weight_bytes=weight_bytes,
        compute_bytes=precision.compute.itemsize,
        is_adapter=is_adapter,
        has_copy=regularize is not None and regularize["teacher"] == "copy",
        packs_moments=train.get("optim") == "adamw_8bit",
        recomputes=bool(train.get("gradient_checkpointing")),
        head_tokens=chunk_size(precision.device.type, vocabulary),
    )


def _headers(folder: str) -> tuple[Shapes, int]:
    """Shapes by name, and how many bytes all of them have in the files."""
    shapes: Shapes = {}
    size = 0
    for name in sorted(name for name in os.listdir(folder) if name.endswith(".safetensors")):
        with open(os.path.join(folder, name), "rb") as handle:
            length = min(int.from_bytes(handle.read(8), "little"), longest_header)
            for tensor, about in json.loads(handle.read(length)).items():
                if tensor != "__metadata__":
                    shapes[tensor] = tuple(about["shape"])
                    size += about["data_offsets"][1] - about["data_offsets"][0]
    return shapes, size

"""
Narrow tuning: which tensors of the model train. Knows names of tensors and how many axes they have, nothing of their
values. Names are those of transformers, of any family.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..engine_error import EngineError

groups = {
    "attention": re.compile(r"(^|_)attn$|(^|_)attention$"),
    "mlp": re.compile(r"(^|_)mlp$|^feed_forward$|^ffn$"),
}
"""What the block above a linear map is called."""

Axes = Mapping[str, int]
"""Tensor name → number of axes, in the model's order."""


def narrowed_names(axes: Axes, entries: list[Any]) -> list[str]:
    """The tensors that one of the entries names, in the model's order."""
    predicates = [_predicate(axes, entry) for entry in entries]
    return [name for name in axes if any(chosen(name) for chosen in predicates)]


def module_of(name: str) -> str:
    """The last part of a tensor's name before `.weight`: q_proj, input_layernorm, embed_tokens …"""
    parts = name.split(".")
    return parts[-2] if len(parts) > 1 else name


def known_modules(axes: Axes) -> list[str]:
    return [*groups, *dict.fromkeys(module_of(name) for name in axes)]


def nearest(word: str, known: list[str]) -> str:
    return min(known, key=lambda candidate: _edit_distance(word, candidate), default="")


def is_in_layers(name: str) -> bool:
    return _layer_of(name) >= 0


def _predicate(axes: Axes, entry: Any) -> Callable[[str], bool]:
    if isinstance(entry, dict):
        return _last_layers(axes, entry["last_layers"])
    maps = {name.rpartition(".")[0] for name, count in axes.items() if count >= 2}

    def is_chosen(name: str) -> bool:
        if name == entry or name == f"{entry}.weight" or _is_tied_head(axes, name, entry):
            return True
        if entry not in groups:
            return module_of(name) == entry
        module = name.rpartition(".")[0]
        blocks = module.split(".")[:-1]
        return module in maps and is_in_layers(name) and any(groups[entry].search(block) for block in blocks)

    if any(is_chosen(name) for name in axes):
        return is_chosen
    known = known_modules(axes)
    remedy = f'Did you mean "{nearest(entry, known)}"? Known: {", ".join(known)}.'
    raise EngineError("unknown-module", f'The model has no module "{entry}"', remedy=remedy)


def _is_tied_head(axes: Axes, name: str, entry: str) -> bool:
    """With a tied head, embeddings and head are one tensor: naming either means both."""
    return entry == "lm_head" and "lm_head.weight" not in axes and module_of(name) in ("embed_tokens", "wte")


def _last_layers(axes: Axes, count: int) -> Callable[[str], bool]:
    layers = 1 + max(_layer_of(name) for name in axes)
    if count > layers:
        message = f"narrow.tune asks for the last {count} layers; the model has {layers}"
        raise EngineError("unknown-module", message, remedy=f"Give last_layers at most {layers}.")
    return lambda name: _layer_of(name) >= layers - count


def _layer_of(name: str) -> int:
    """−1 for tensors outside the layers."""
    found = re.search(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.", name)
    return int(found[1]) if found else -1


def _edit_distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        following = [i]
        for j, right in enumerate(b, 1):
            following.append(min(row[j] + 1, following[-1] + 1, row[j - 1] + (left != right)))
        row = following
    return row[-1]

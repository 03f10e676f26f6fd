"""
What a step needs, told without running it: a rough sum over weights, gradients, moments, base values and activations. It
is there to be compared with itself: which setting saves most. Knows shapes and settings, no tensors.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    parameters: int
    trained: int
    width: int
    layers: int
    inner: int
    """Width of the feed-forward part."""
    vocabulary: int


@dataclass(frozen=True)
class Load:
    rows: int
    length: int
    weight_bytes: int
    """Of a number that does not train."""
    compute_bytes: int
    is_adapter: bool
    has_teacher: bool
    has_copy: bool
    recomputes: bool
    """Gradient checkpointing."""
    head_tokens: int
    """Whose logits are held at once."""


def bytes_needed(shape: Shape, load: Load) -> int:
    tokens = load.rows * load.length
    # f32 value, gradient and two moments; the base's value beside them where it is not the same tensor.
    trained = shape.trained * (16 + (0 if load.is_adapter else 4))
    frozen = (shape.parameters - (0 if load.is_adapter else shape.trained)) * load.weight_bytes
    copy = shape.parameters * load.weight_bytes if load.has_copy else 0
    layer = tokens * (12 * shape.width + 4 * shape.inner) * load.compute_bytes
    kept = tokens * shape.width * load.compute_bytes
    activations = shape.layers * kept + layer if load.recomputes else shape.layers * layer
    head = min(tokens, load.head_tokens) * shape.vocabulary * 4 * (4 if load.has_teacher else 2)
    return trained + frozen + copy + activations + head

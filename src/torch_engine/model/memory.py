"""
What a step needs, told without running it: a rough sum over weights, gradients, moments, base values and activations. It
is there to be compared with itself: which setting saves most. Knows shapes and settings, no tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

bytes_per_packed_weight = 0.5 + 1 / 64 + 4 / (64 * 256)
"""NF4: a nibble, an 8-bit maximum for 64 weights, an f32 maximum for 256 of those."""

bytes_per_packed_moments = 2 + 2 * 4 / 256
"""Two bytes, and an f32 maximum of each 256 for both."""


@dataclass(frozen=True)
class Shape:
    parameters: int
    trained: int
    width: int
    layers: int
    inner: int
    """Width of the feed-forward part."""
    vocabulary: int
    packed: int = 0
    """Of the parameters: held in 4 bits."""


@dataclass(frozen=True)
class Load:
    rows: int
    length: int
    weight_bytes: int
    """Of a number that does not train."""
    compute_bytes: int
    is_adapter: bool
    has_copy: bool
    packs_moments: bool
    """AdamW's, into 8 bits; those of embeddings stay in f32."""
    recomputes: bool
    """Gradient checkpointing."""
    head_tokens: int
    """Whose logits are held at once."""


def bytes_needed(shape: Shape, load: Load) -> int:
    tokens = load.rows * load.length
    embeddings = shape.vocabulary * shape.width if shape.trained == shape.parameters else 0
    packed_moments = shape.trained - embeddings if load.packs_moments else 0
    moments = 8 * (shape.trained - packed_moments) + int(bytes_per_packed_moments * packed_moments)
    # f32 value and gradient beside two moments; the base's value where it is not the same tensor.
    trained = shape.trained * (8 + (0 if load.is_adapter else 4)) + moments
    base = (shape.parameters - shape.packed) * load.weight_bytes + int(shape.packed * bytes_per_packed_weight)
    frozen = base - (0 if load.is_adapter else shape.trained * load.weight_bytes)
    copy = base if load.has_copy else 0
    # A packed map is unpacked whenever it computes.
    unpacked = shape.width * shape.inner * load.compute_bytes if shape.packed else 0
    layer = tokens * (12 * shape.width + 4 * shape.inner) * load.compute_bytes
    kept = tokens * shape.width * load.compute_bytes
    activations = shape.layers * kept + layer if load.recomputes else shape.layers * layer
    # Logits in f32, and their gradient once more in the format of the products.
    head = min(tokens, load.head_tokens) * shape.vocabulary * 8
    return trained + frozen + copy + unpacked + activations + head

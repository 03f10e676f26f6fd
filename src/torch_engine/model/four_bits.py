"""
Base weights in 4 bits: the linear maps of the layers as NF4 with doubly quantized block maxima, as QLoRA describes it
(arXiv:2305.14314), through bitsandbytes. Embeddings, norms and head stay as they are. Knows no recipe; loads bitsandbytes
only when it is asked for.
"""

from __future__ import annotations

from typing import Any

import torch
import transformers


def loading_options(device: torch.device, compute: torch.dtype) -> dict[str, Any]:
    """What transformers takes beside the folder."""
    settings = transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return {"quantization_config": settings, "device_map": {"": device}}


def keep_one_path(model: torch.nn.Module) -> None:
    """
    On CPUs with bf16 instructions bitsandbytes would repack a map for its inference kernel when it is first scored: what is
    measured would no longer be what is trained.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def is_packed(parameter: torch.Tensor) -> bool:
    return getattr(parameter, "quant_state", None) is not None


def count_of(parameter: torch.Tensor) -> int:
    """Weights, not bytes."""
    return parameter.quant_state.shape.numel() if is_packed(parameter) else parameter.numel()


def unpacked(parameter: torch.Tensor) -> torch.Tensor:
    """The values that a packed map computes with, in f32."""
    import bitsandbytes

    return bitsandbytes.functional.dequantize_4bit(parameter.data, parameter.quant_state).float()

"""
Whether the tokenizers library of this Python reads texts as the prepared data have them. Another program tokenized them,
with another library; ids that this model's users would never see must not be trained on in silence.
"""

from __future__ import annotations

import os
from typing import Any

import tokenizers

from .engine_error import EngineError


def refuse_other_reading(folder: str, samples: list[dict[str, Any]]) -> None:
    """`samples`: texts of the data and their ids, without what a tokenizer puts around a text."""
    file = os.path.join(folder, "tokenizer.json")
    tokenizer = tokenizers.Tokenizer.from_file(file)
    # How a batch of texts is squared is no part of how a text is read.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    texts = [sample["text"] for sample in samples]
    for sample, found in zip(samples, tokenizer.encode_batch(texts, add_special_tokens=False), strict=True):
        if found.ids != sample["ids"]:
            raise _refusal(file, sample, found)


def _refusal(file: str, sample: dict[str, Any], found: tokenizers.Encoding) -> EngineError:
    pairs = zip(found.ids, sample["ids"], strict=False)
    at = next((i for i, (own, given) in enumerate(pairs) if own != given), min(len(found.ids), len(sample["ids"])))
    start = found.offsets[at][0] if at < len(found.offsets) else len(sample["text"])
    around = sample["text"][max(0, start - 10) : start + 10]
    return EngineError(
        "tokenizer-differs",
        f"tokenizers {tokenizers.__version__} reads {around!r} in other tokens than the prepared data have",
        file=file,
        remedy="Remove such characters from the data, or save the tokenizer anew with transformers' save_pretrained.",
    )

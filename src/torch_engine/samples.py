"""The recipe's prompts answered by base and tuned model: reported, and written whole to the samples folder."""

from __future__ import annotations

import json
import os

import tokenizers

from .atomic_file import write_atomic
from .evaluate.model_pair import ModelPair
from .model.tuned_language_model import TunedLanguageModel
from .prepared import Prepared
from .protocol import Event


class Sampler:
    def __init__(
        self, pair: ModelPair, model: TunedLanguageModel, prepared: Prepared, model_folder: str, folder: str
    ) -> None:
        about, answers = prepared.about["tokenizer"], prepared.about["answers"]
        self._pair = pair
        self._prompts = prepared.about["prompts"]
        self._folder = folder
        self._limit = min(model.max_positions, answers["promptTokens"] + answers["tokens"])
        self._most = min(answers["tokens"], self._limit - 1)
        self._start = [about["bos"]] if about["addsBos"] else []
        self._stop = set(about["stop"])
        self._file = os.path.join(model_folder, "tokenizer.json")
        self._tokenizer: tokenizers.Tokenizer | None = None
        self._base_answers: list[str] | None = None

    def answers(self, step: int) -> list[Event]:
        """At a step. The base answers once."""
        if not self._prompts:
            return []
        self._base_answers = self._base_answers or self._answers("base")
        samples = [
            {"step": step, "index": i, "prompt": prompt["text"], "base": base, "tuned": tuned}
            for i, (prompt, base, tuned) in enumerate(
                zip(self._prompts, self._base_answers, self._answers("tuned"), strict=True)
            )
        ]
        text = json.dumps(samples, indent=1, ensure_ascii=False)
        write_atomic(os.path.join(self._folder, f"step-{step:06d}.json"), f"{text}\n")
        return [{"type": "sample", **sample} for sample in samples]

    def _answers(self, who: str) -> list[str]:
        room = max(1, self._limit - self._most) - len(self._start)
        found = []
        for prompt in self._prompts:
            ids = self._start + prompt["ids"][max(0, len(prompt["ids"]) - room) :]
            found.append(self._decode(self._pair.answer(ids, who, most=self._most, limit=self._limit, stop=self._stop)))
        return found

    def _decode(self, ids: list[int]) -> str:
        self._tokenizer = self._tokenizer or tokenizers.Tokenizer.from_file(self._file)
        return self._tokenizer.decode(ids, skip_special_tokens=False) if ids else ""

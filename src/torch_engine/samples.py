"""The recipe's prompts answered by base and tuned model: reported, and written whole to the samples folder."""

from __future__ import annotations

import json
import os

import tokenizers
import torch

from .atomic_file import write_atomic
from .data.random_streams import RandomStream
from .evaluate.model_pair import ModelPair
from .evaluate.pick_token import pick_tokens
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
        self._answers_by = answers
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
        for index, prompt in enumerate(self._prompts):
            found.append(self._answer(self._start + prompt["ids"][max(0, len(prompt["ids"]) - room) :], who, index))
        return found

    def _answer(self, ids: list[int], who: str, index: int) -> str:
        by = self._answers_by
        uniforms = RandomStream(by["seed"], "sample").uniform(self._most, index)
        answer: list[int] = []
        text = ""

        def pick(logits_BV: torch.Tensor) -> list[int] | None:
            nonlocal text
            at = [uniforms[len(answer)]]
            [token] = pick_tokens(logits_BV, at, temperature=by["temperature"], top_p=by["topP"])
            if token in self._stop:
                return None
            answer.append(token)
            text = self._decode(answer)
            ends = [end for end in (text.find(stop) for stop in by["stop"]) if end >= 0]
            if ends:
                text = text[: min(ends)]
            is_full = len(answer) == self._most or len(ids) + len(answer) == self._limit
            return None if ends or is_full else [token]

        self._pair.write(who, [ids], pick)
        return text

    def _decode(self, ids: list[int]) -> str:
        self._tokenizer = self._tokenizer or tokenizers.Tokenizer.from_file(self._file)
        return self._tokenizer.decode(ids, skip_special_tokens=False) if ids else ""

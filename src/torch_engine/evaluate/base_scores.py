"""
Scores of the base model, each item scored once and kept in a cache folder that runs share. A file that does not verify is
scored again. Knows nothing of what the scores are compared with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence

from ..atomic_file import write_atomic
from .fingerprints import digest
from .item_scores import ItemScore


class BaseScores:
    def __init__(self, cache_folder: str, key: str) -> None:
        """`key` stands for everything that decides the scores: base, set, tokenizer, scorer, runtime."""
        self._file = os.path.join(cache_folder, "base-scores", f"{key}.json")
        self._key = key
        self._scores = self._read_verified()

    def of(self, places: Sequence[int], score: Callable[[list[int]], list[ItemScore]]) -> list[ItemScore]:
        """In this order; `score` is asked for the missing ones and what it finds is kept."""
        missing = [place for place in places if place not in self._scores]
        if missing:
            self._scores.update(zip(missing, score(missing), strict=True))
            self._write()
        return [self._scores[place] for place in places]

    def _write(self) -> None:
        scores = {str(place): self._scores[place] for place in sorted(self._scores)}
        write_atomic(self._file, json.dumps({"key": self._key, "scores": scores, "sha256": digest(scores)}))

    def _read_verified(self) -> dict[int, ItemScore]:
        try:
            with open(self._file, encoding="utf-8") as handle:
                found = json.load(handle)
            if found["key"] != self._key or found["sha256"] != digest(found["scores"]):
                return {}
            return {int(place): score for place, score in found["scores"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            # Missing, torn or of another make: a cache may always be made anew.
            return {}

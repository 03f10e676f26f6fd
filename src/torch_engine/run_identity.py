"""
What a run is made of: every setting and file that decides its weights. A checkpoint carries it, and who resumes must bring
the same. Most of it comes with the prepared data; what computes is added here.
"""

from __future__ import annotations

import os

from .engine_error import EngineError
from .numerics import numerics_version
from .prepared import Prepared
from .protocol import Start
from .state.checkpoint import Counters

RunIdentity = dict[str, str]

_content_of = "content of "
"""Begins keys of files; others are keys of the recipe."""
_numerics = "numerics"


def run_identity(prepared: Prepared, computes: str) -> RunIdentity:
    """`computes`: torch, its device and number formats. Another of them gives other numbers."""
    return {**prepared.about["identity"], _numerics: f"{numerics_version}, {computes}"}


def refuse_other(start: Start, identity: RunIdentity, counters: Counters) -> None:
    """Throws with every setting and file in which the run that wrote the checkpoint differs from this one."""
    before, folder = counters.get("identity"), start.checkpoint or ""
    if not isinstance(before, dict):
        raise EngineError(
            "checkpoint-mismatch",
            f"The checkpoint {folder} does not say what it was made of",
            file=folder,
            remedy="Resume it with the Holdfast that wrote it, or start a new run.",
        )
    differences = [
        _difference(start, key, before.get(key), identity.get(key))
        for key in dict.fromkeys([*before, *identity])
        if before.get(key) != identity.get(key)
    ]
    if not differences:
        return
    raise EngineError(
        "checkpoint-mismatch" if before.get(_numerics) == identity[_numerics] else "numerics-changed",
        f"The run is not what {os.path.basename(folder)} was written by: {'; '.join(differences)}",
        file=folder,
        remedy="Put it back as it was, or go on in a new run: holdfast resume --fork.",
    )


def _difference(start: Start, key: str, before: str | None, now: str | None) -> str:
    if not key.startswith(_content_of):
        return f"{key} was {before or 'not set'}, is {now or 'not set'}"
    change = "is new" if before is None else "is gone" if now is None else "has changed"
    return f"{_words_for(start, key.removeprefix(_content_of))} {change}"


def _words_for(start: Start, name: str) -> str:
    recipe = start.recipe
    if name in ("model", "tokenizer"):
        folder = start.paths.get(recipe["model"], recipe["model"])
        return f"the {'base model' if name == 'model' else name} in {folder}"
    data, replay = recipe["data"], recipe["method"].get("replay")
    files = {"train": data["train"], **({"replay": replay["data"]} if replay else {}), **data["eval"]}
    return f"the content of {start.paths.get(files[name], files[name])}" if name in files else f"the data set {name}"

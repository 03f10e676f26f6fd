"""
The named checks before the first update: they show that what will be trained and measured is what the recipe says. The
loss is recomputed from logits by code that shares nothing with the model's loss head or with the batch's labels: its own
shift, its own mask, from the rows the batch was made of, in f64. A failed check stops the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..batch import Batch, Row, ignored_label, make_batch, task_kind
from ..engine_error import EngineError
from ..model.four_bits import is_packed, unpacked
from ..model.tuned_language_model import TunedLanguageModel
from ..protocol import Event
from ..weights.safetensors import TensorFiles

clearly = 0.1
"""Nats. A shift that is better by less may be chance."""
informed = 0.5
"""Nats below ln V from which on the model knows something about these rows."""
logit_cells = 2**26
sample = 12
"""Tensors compared with the file, of those that train and of the rest."""
nf4_block = 64
nf4_values = torch.tensor(
    [-1.0, -0.6961928, -0.5250731, -0.3949175, -0.2844414, -0.1847734, -0.0910500, 0.0]
    + [0.0795803, 0.1609302, 0.2461123, 0.3379152, 0.4407098, 0.5626170, 0.7229568, 1.0]
)
"""Of QLoRA, appendix E, in parts of the block's largest."""
nf4_slack = 0.02
"""Of the tensor's largest: how far a block's largest may be off."""

Result = dict[str, str]


@dataclass(frozen=True)
class MadeBatch:
    batch: Batch
    rows: Sequence[Row]


@dataclass(frozen=True)
class FirstStep:
    batches: list[MadeBatch]
    """The micro-batches of the first step."""
    familiar: list[Row] | None
    """Rows that the base should know: a task may rightly be foreign to it."""


def step_zero_checks(model: TunedLanguageModel, first: FirstStep, files: TensorFiles) -> Event:
    noise = 1e-3 if model.precision.compute == torch.float32 else 3e-2
    checks = {
        "labels": _check_labels(model, first, noise),
        "mask": _check_mask(model, first),
        "precision": _check_precision(model, files),
        "neutral": _check_neutral(model, first, noise),
        "penalty": _check_penalty(model, first, noise),
        "trainEqualsEval": _check_train_equals_eval(model, first, noise),
    }
    return {"type": "checked", "ok": all(c["status"] != "failed" for c in checks.values()), "checks": checks}


def refuse_failed(checked: Event) -> None:
    broken = {name: check["detail"] for name, check in checked["checks"].items() if check["status"] == "failed"}
    if not broken:
        return
    details = "; ".join(f"{name}: {detail}" for name, detail in broken.items())
    raise EngineError(
        f"check-{next(iter(broken))}",
        f"Stopped before the first step, because a check failed. {details}",
        remedy=f"Nothing was trained. Look at the first batch with Check. {_remedies.get(next(iter(broken)), _otherwise)}",
    )


_otherwise = "If data and model are right, report this."

_remedies = {
    "labels": "If it is right, the model may know nothing of such text: "
    "name a set of texts that it does know first under retain.probes, and that set decides.",
    # Seen with bitsandbytes 0.50.2 and AVX-512: such rows are scaled by the largest weight of another block.
    "precision": "With adapter.load_in_4bit on the CPU, some versions of bitsandbytes misread maps whose width is no "
    f"multiple of {nf4_block}: then leave it out, or take a GPU.",
}


def _check_labels(model: TunedLanguageModel, first: FirstStep, noise: float) -> Result:
    """The model is asked for the token that follows, and its losses are those of its own logits."""
    result, is_foreign = _check_rows(model, first.batches[0].rows, noise)
    if not is_foreign or first.familiar is None:
        return result
    familiar, _ = _check_rows(model, first.familiar, noise)
    if familiar["status"] != "ok":
        return familiar
    return _ok(f"told on a probe set; of the task: {result['detail']}")


def _check_rows(model: TunedLanguageModel, rows: Sequence[Row], noise: float) -> tuple[Result, bool]:
    """Also whether no shift fits well though the losses are right: then rows that the base knows must decide."""
    longest = make_batch(rows).length
    few = rows[: max(1, logit_cells // (longest * model.vocabulary_size))]
    batch = make_batch(few)
    logits_BTV, scores_BT = model.logits(batch, "base"), model.score(batch, "base")
    shift_0, following, previous = [], [], []
    for b, row in enumerate(few):
        at = 0
        for part in row:
            log_p = _log_softmax(logits_BTV[b, at : at + len(part)])
            for i in range(1, len(part)):
                loss, score = -log_p[i - 1, part.ids[i]], scores_BT[b, at + i - 1]
                if part.targets[i] == 1 and score != 0 and not abs(score - loss) <= noise * (1 + loss):
                    what = f"the loss at row {b + 1}, token {at + i + 1} is {score:.5f}, recomputed from logits {loss:.5f}"
                    return _failed(what), False
                if i + 1 < len(part):
                    shift_0.append(loss)
                    following.append(-log_p[i - 1, part.ids[i + 1]])
                    previous.append(-log_p[i - 1, part.ids[i - 1]])
            at += len(part)
    if not shift_0:
        return _ok("rows too short to test the shift"), False
    result = _judge_shift(*(float(np.mean(each)) for each in (shift_0, following, previous)), math.log(model.vocabulary_size))
    return result, result["status"] == "failed"


def _judge_shift(shift_0: float, following: float, previous: float, chance: float) -> Result:
    """Over all tokens, learned or not: what is learned may be new to the model, its surroundings rarely are."""
    numbers = (
        f"following token {shift_0:.3f}, the one after {following:.3f}, itself {previous:.3f}, guessing {chance:.3f}"
    )
    if shift_0 > chance + 2 * informed:
        return _failed(f"the base model does worse than guessing: {numbers} nats")
    if following < shift_0 - clearly:
        return _failed(f"another shift fits better: {numbers} nats")
    if shift_0 > chance - informed:
        return _ok(f"the base model hardly knows these rows, no shift can be told: {numbers}")
    if previous < shift_0 - clearly:
        return _failed(f"another shift fits better: {numbers} nats")
    return _ok(f"{numbers} nats")


def _check_mask(model: TunedLanguageModel, first: FirstStep) -> Result:
    """Loss is taken on the tokens to be learned, on all of them and on no other."""
    supervised, tokens = 0, 0
    for made in first.batches:
        expected = _target_cells(made)
        labelled = (made.batch.labels != ignored_label).numpy()
        for b, t in np.argwhere(labelled != expected):
            place = f"row {b + 1}, token {t + 2}"
            return _failed(
                f"{place} should be learned and is masked" if expected[b, t] else f"{place} must not be learned"
            )
        if (model.score(made.batch, "base")[~expected] != 0).any():
            return _failed("the model takes loss at a cell that is masked")
        supervised += int(expected.sum())
        tokens += made.batch.tokens
    if supervised == 0:
        return _failed("no token of the first batch is learned")
    return _ok(f"{supervised} of {tokens} tokens are learned")


def _target_cells(made: MadeBatch) -> np.ndarray:
    """(B, T) whether the cell predicts a target, counted from the rows themselves."""
    cells = np.zeros((made.batch.rows, made.batch.length), bool)
    for b, row in enumerate(made.rows):
        at = 0
        for part in row:
            for i in range(1, len(part)):
                cells[b, at + i - 1] = part.targets[i] == 1
            at += len(part)
    return cells


def _check_precision(model: TunedLanguageModel, files: TensorFiles) -> Result:
    """The weights in the model are those of the file, bit for bit once widened; packed ones are their nearest 4 bits."""
    held = model.own_parameters()
    names = [name for name in files.names if name in held]
    trained = set(model.trained_names)
    packed = [name for name in names if is_packed(held[name])]
    whole = [name for name in names if not is_packed(held[name])]
    chosen = _spread([n for n in whole if n in trained]) + _spread([n for n in whole if n not in trained])
    for name in chosen:
        in_model, in_file = held[name].data, files.read(name)
        if _is_bias_of(name, packed):
            # bitsandbytes holds it in the format that computes.
            in_file = in_file.to(in_model.dtype)
        if fault := _difference(name, in_model.float().cpu(), in_file.float()):
            return _failed(fault)
    rounded = _spread(packed)
    for name in rounded:
        if fault := _rounding_fault(name, unpacked(held[name]).cpu(), files.read(name).float()):
            return _failed(fault)
    told = [f"{len(chosen)} tensors equal those of the file"] if chosen else []
    told += [f"{len(rounded)} are those of the file rounded to 4 bits"] if rounded else []
    return _ok(", ".join(told)) if told else _skipped("the file has other names")


def _is_bias_of(name: str, packed: list[str]) -> bool:
    return name.endswith(".bias") and f"{name.removesuffix('.bias')}.weight" in packed


def _difference(name: str, in_model: torch.Tensor, in_file: torch.Tensor) -> str | None:
    if in_model.shape != in_file.shape:
        return f"{name} has shape {list(in_model.shape)}, in the file {list(in_file.shape)}"
    return None if torch.equal(in_model, in_file) else f"{name} does not hold what the file holds"


def _rounding_fault(name: str, in_model: torch.Tensor, in_file: torch.Tensor) -> str | None:
    """Each weight must be as near to that of the file as the nearest of the 16 values of its block."""
    if in_model.shape != in_file.shape:
        return _difference(name, in_model, in_file)
    flat = in_file.flatten()
    blocks = torch.nn.functional.pad(flat, (0, -len(flat) % nf4_block)).view(-1, nf4_block)
    largest = blocks.abs().amax(1, keepdim=True)
    borders = (nf4_values[1:] + nf4_values[:-1]) / 2
    nearest = nf4_values[torch.bucketize(blocks / largest.clamp_min(1e-30), borders)] * largest
    least = (nearest - blocks).abs().flatten()[: len(flat)]
    # The largest values are themselves held in 8 bits.
    excess = float(((in_model.flatten() - flat).abs() - least).max())
    if excess <= nf4_slack * float(largest.max()):
        return None
    return f"{name} is not what the file holds, rounded to 4 bits: a weight is off by {excess} more than it may be"


def _check_neutral(model: TunedLanguageModel, first: FirstStep, noise: float) -> Result:
    """With adapters and methods on, the model still is the base: no forgetting, no divergence."""
    batch = first.batches[0].batch
    apart = float(np.abs(model.score(batch, "tuned") - model.score(batch, "base")).max())
    kl = float(np.abs(model.compare(batch)[1]).max())
    if not apart <= noise:
        return _failed(f"before any update a token's loss differs from the base's by {apart} nats")
    if not kl <= noise:
        return _failed(f"before any update the KL to the base is {kl} nats")
    return _ok(f"losses within {apart:.1e}, KL within {kl:.1e} nats")


def _check_penalty(model: TunedLanguageModel, first: FirstStep, noise: float) -> Result:
    """At the base every regularizer is 0 and pulls nowhere."""
    metrics, norm = model.probe([made.batch for made in first.batches])
    if not metrics.penalties:
        return _skipped("nothing regularizes this run")
    for name, value in metrics.penalties.items():
        if not abs(value) <= noise / 10:
            return _failed(f"{name} is {value} before any update, it must be 0")
    if not norm <= noise / 10:
        return _failed(f"the regularizers' gradient has norm {norm} before any update, it must be 0")
    return _ok()


def _check_train_equals_eval(model: TunedLanguageModel, first: FirstStep, noise: float) -> Result:
    """The loss that is trained on and the loss that is measured are the same number."""
    metrics, _ = model.probe([made.batch for made in first.batches])
    total, count = 0.0, 0
    for made in first.batches:
        if made.batch.kind == task_kind:
            total += float(model.score(made.batch, "tuned").sum(dtype="float64"))
            count += int((made.batch.labels != ignored_label).sum())
    measured = total / count
    if not abs(metrics.loss - measured) <= noise / 10 * (1 + measured):
        return _failed(f"training says {metrics.loss} nats per token, evaluation {measured}")
    return _ok(f"{metrics.loss:.5f} and {measured:.5f} nats per token")


def _spread(names: list[str]) -> list[str]:
    return names[:: max(1, math.ceil(len(names) / sample))]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    z = logits.astype(np.float64)
    z -= z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def _ok(detail: str = "") -> Result:
    return {"status": "ok", "detail": detail} if detail else {"status": "ok"}


def _failed(detail: str) -> Result:
    return {"status": "failed", "detail": detail}


def _skipped(detail: str) -> Result:
    return {"status": "skipped", "detail": detail}

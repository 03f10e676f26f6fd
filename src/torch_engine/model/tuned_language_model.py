"""
A transformers model that is tuned, beside its base: the same model with every change switched off, or a second copy.
Scores, steps and answers; knows nothing of files of text, of recipes' paths or of wires.

B rows, T length, N label tokens of the batch, D width
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from ..batch import Batch, ignored_label
from ..engine_error import EngineError
from ..methods.lora import LoraPlan, plain_name
from ..methods.regularize import Regularizer
from ..state.state_store import StateStore
from .compiling import uncompiled
from .load_model import head_of, takes_positions
from .loss_head import Head, Teacher, losses, token_comparisons, token_losses
from .loss_scale import LossScale
from .loss_sums import LossSums, StepCounts, StepMetrics
from .optimizer import Optimizer
from .precision import Precision

if TYPE_CHECKING:
    import peft


@dataclass
class Parts:
    model: transformers.PreTrainedModel
    adapted: peft.PeftModel | None
    """The same model with adapters in it."""
    lora: LoraPlan | None
    copy: transformers.PreTrainedModel | None
    """A second set of weights, where the recipe asks for it."""
    trained: dict[str, torch.nn.Parameter]
    base_values: dict[torch.nn.Parameter, torch.Tensor]
    """What the base holds where the tuned model differs."""
    regularizer: Regularizer | None
    optimizer: Optimizer | None
    loss_scale: LossScale | None
    """Where f16 computes."""
    state: StateStore
    precision: Precision
    parameters: int
    length_step: int | None = None
    """Layers are compiled for training: rows take multiples of it."""


Pick = Callable[[torch.Tensor], "list[int] | None"]
"""From the (B, V) logits behind each row to its next token; None: enough."""


@dataclass(frozen=True)
class BaseStates:
    """What the base makes of a batch's labelled cells."""

    hidden_ND: torch.Tensor
    head: Head

    @property
    def bytes(self) -> int:
        return self.hidden_ND.numel() * self.hidden_ND.itemsize


class TunedLanguageModel:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._head = head_of(parts.model)
        self._copy_head = head_of(parts.copy) if parts.copy else None
        self._takes_positions = takes_positions(parts.model)
        self._settled: dict[torch.nn.Parameter, torch.Tensor] | None = None
        self.state = parts.state
        self.parameters = parts.parameters
        self.trained_names = list(parts.trained)
        self.trained_parameters = sum(p.numel() for p in parts.trained.values())
        self.vocabulary_size = self._head.weight_VD.shape[0]
        config = parts.model.config.get_text_config()
        self.max_positions = int(getattr(config, "max_position_embeddings", None) or 2**31 - 1)
        self.teacher = parts.regularizer.choice if parts.regularizer else None
        self.device = parts.precision.device

    @property
    def transformer(self) -> transformers.PreTrainedModel:
        return self._parts.model

    @property
    def adapted(self) -> peft.PeftModel | None:
        return self._parts.adapted

    @property
    def lora(self) -> LoraPlan | None:
        return self._parts.lora

    @property
    def trained(self) -> dict[str, torch.nn.Parameter]:
        return self._parts.trained

    @property
    def precision(self) -> Precision:
        return self._parts.precision

    @property
    def is_compiled(self) -> bool:
        return self._parts.length_step is not None

    @property
    def attention_in_words(self) -> str:
        """What transformers has chosen. Borders of packed rows are tested against rows that are not packed."""
        name = getattr(self._parts.model.config.get_text_config(), "_attn_implementation", None) or "eager"
        why = {
            "sdpa": "torch's own: its flash kernels where a row has no borders, a mask where packed documents are held apart",
            "eager": f"written out, because {type(self._parts.model).__name__} has no other",
        }
        return f"{name}: {why.get(name, 'as the model asks for it')}"

    @property
    def optimizer_in_words(self) -> str:
        """ "AdamW, moments in 8 bits of 98 % of what trains: 3 MB of state"."""
        optimizer = self._parts.optimizer
        share = optimizer.moments_in_8_bits / self.trained_parameters if optimizer else 0
        held = f"8 bits of {100 * share:.0f} % of what trains, f32 of the rest" if share else "f32"
        return f"AdamW, moments in {held}: {self.state.bytes_of('adam.') / 2**20:.1f} MB"

    def own_parameters(self) -> dict[str, torch.nn.Parameter]:
        """The model's own, without adapters, by the names that transformers gives them."""
        named = self._parts.model.named_parameters()
        return {plain_name(name): p for name, p in named if ".lora_" not in name}

    def own_tensors(self) -> dict[str, torch.Tensor]:
        return {name: p.data for name, p in self.own_parameters().items()}

    def step(self, batches: Sequence[Batch], learning_rate: float) -> StepMetrics:
        """Accumulates the micro-batches, clips, updates. Losses are divided by the step's own token counts."""
        optimizer = self._parts.optimizer
        if optimizer is None or self._settled is not None:
            raise EngineError("state", "The model is open for scoring: no step can be made")
        counts = self._count(batches)
        sums = self._accumulate(optimizer, batches, counts, with_cross_entropy=True)
        scale = self._parts.loss_scale
        if scale is None:
            return sums.means(counts, float(optimizer.step(learning_rate)))
        factor, norm = scale.factor, optimizer.gradient_norm()
        is_finite = math.isfinite(norm)
        if is_finite:
            optimizer.step(learning_rate)
        scale.settle(is_finite)
        metrics = sums.means(counts, norm)
        return replace(metrics, loss_scale=factor, skipped_steps=scale.skipped, is_skipped=not is_finite)

    def probe(self, batches: Sequence[Batch]) -> tuple[StepMetrics, float]:
        """The terms of the objective without an update, and the norm of the regularizer's own gradient."""
        optimizer = self._parts.optimizer
        if optimizer is None:
            raise EngineError("state", "The model is open for scoring: no step can be made")
        counts = self._count(batches)
        sums = self._accumulate(optimizer, batches, counts, with_cross_entropy=True)
        metrics = sums.means(counts, optimizer.gradient_norm())
        penalty_norm = 0.0
        if self._parts.regularizer:
            self._accumulate(optimizer, batches, counts, with_cross_entropy=False)
            penalty_norm = optimizer.gradient_norm()
        optimizer.forget_gradients()
        return metrics, penalty_norm

    @torch.no_grad()
    def score(self, batch: Batch, which: str) -> np.ndarray:
        """(B, T) −log p(label) of each position, 0 where ignored. `base` is the same code path."""
        batch = batch.to(self.device)
        index, labels = _targets(batch)
        hidden, head = self._hidden(batch, index, which)
        return _spread(batch, index, token_losses(hidden, head, labels))

    @torch.no_grad()
    def base_states(self, batch: Batch) -> BaseStates:
        """Half the work of a comparison, and always the same: the base does not change."""
        batch = batch.to(self.device)
        return BaseStates(*self._hidden(batch, _targets(batch)[0], "base"))

    @torch.no_grad()
    def compare(self, batch: Batch, base: BaseStates | None = None) -> tuple[np.ndarray, np.ndarray]:
        """In one pass, (B, T) each, 0 where ignored: the score of the tuned model, and KL(base ‖ tuned) at T = 1."""
        base = base or self.base_states(batch)
        batch = batch.to(self.device)
        index, labels = _targets(batch)
        hidden, head = self._hidden(batch, index, "tuned")
        found = token_comparisons(hidden, head, labels, base.hidden_ND, base.head)
        scores, divergences = (_spread(batch, index, values) for values in found)
        return scores, divergences

    @torch.no_grad()
    def logits(self, batch: Batch, which: str) -> np.ndarray:
        """(B, T, V), for independent checks."""
        batch = batch.to(self.device)
        every = torch.arange(batch.rows * batch.length, device=self.device)
        hidden, head = self._hidden(batch, every, which)
        return head.logits(hidden).view(batch.rows, batch.length, -1).cpu().numpy()

    @torch.no_grad()
    def write(self, which: str, texts: list[list[int]], pick: Pick) -> None:
        """Texts of one length, side by side, grow by what `pick` says, until it says nothing."""
        with self._as_measured(), self._weights(which) as (model, head), self._parts.precision.autocast():
            cache, fresh = None, torch.tensor(texts, device=self.device)
            while True:
                found = model.get_decoder()(input_ids=fresh, past_key_values=cache, use_cache=True)
                following = pick(head.logits(found.last_hidden_state[:, -1]).float().cpu())
                if following is None:
                    return
                cache, fresh = found.past_key_values, torch.tensor(following, device=self.device)[:, None]

    def settle(self, values: dict[torch.nn.Parameter, torch.Tensor]) -> None:
        """From here on `tuned` means these values, adapters off: the weights as they are saved. No step can follow."""
        self._settled = values

    def settled(self) -> contextlib.AbstractContextManager[None]:
        """The parameters hold what `tuned` means now."""
        return _swapped(self._settled or {})

    @property
    def is_settled(self) -> bool:
        return self._settled is not None

    def _accumulate(
        self, optimizer: Optimizer, batches: Sequence[Batch], counts: StepCounts, *, with_cross_entropy: bool
    ) -> LossSums:
        optimizer.forget_gradients()
        sums = LossSums(self._parts.regularizer)
        factor = self._parts.loss_scale.factor if self._parts.loss_scale else 1.0
        step = self._parts.length_step
        for batch in ((one.padded(step) if step else one).to(self.device) for one in batches):
            index, labels = _targets(batch)
            if len(labels) == 0:
                continue
            teacher = self._teacher(batch, index, counts)
            hidden, head = self._hidden(batch, index, "tuned", is_trained=True)
            weights = torch.full((len(labels),), factor / counts.targets, device=self.device)
            found = losses(hidden, head, labels, weights, teacher, with_cross_entropy=with_cross_entropy)
            if found.objective.requires_grad:
                found.objective.backward()
            sums.add(batch.kind, found.cross_entropy_N, found.divergence_N)
        if factor != 1:
            optimizer.unscale(factor)
        return sums

    @torch.no_grad()
    def _teacher(self, batch: Batch, index: torch.Tensor, counts: StepCounts) -> Teacher | None:
        """Before the tuned pass: between a pass and its gradient no weight may be swapped."""
        regularizer = self._parts.regularizer
        if regularizer is None or batch.kind not in regularizer.on:
            return None
        hidden, head = self._hidden(batch, index, "base", from_copy=True, is_trained=True)
        ratio = regularizer.factor * counts.targets / counts.regularized
        return Teacher(
            hidden,
            head,
            torch.full((len(index),), ratio, device=self.device),
            regularizer.direction,
            regularizer.temperature,
        )

    def _hidden(
        self, batch: Batch, index: torch.Tensor, which: str, *, from_copy: bool = False, is_trained: bool = False
    ) -> tuple[torch.Tensor, Head]:
        """(N, D) hidden states at the chosen cells, and the head that belongs to them."""
        inputs: dict[str, Any] = {"input_ids": batch.ids, "use_cache": False}
        if self._takes_positions:
            inputs["position_ids"] = batch.positions
        elif batch.is_packed:
            name = type(self._parts.model).__name__
            raise EngineError("model-unsupported", f"{name} cannot take packed rows", remedy="Set train.packing: false.")
        way = contextlib.nullcontext() if is_trained else self._as_measured()
        with way, self._weights(which, from_copy=from_copy) as (model, head), self._parts.precision.autocast():
            hidden = model.get_decoder()(**inputs).last_hidden_state
        return hidden.flatten(0, 1).index_select(0, index), head

    def _as_measured(self) -> contextlib.AbstractContextManager[None]:
        return uncompiled() if self._parts.length_step else contextlib.nullcontext()

    @contextlib.contextmanager
    def _weights(self, which: str, *, from_copy: bool = False) -> Iterator[tuple[transformers.PreTrainedModel, Head]]:
        parts = self._parts
        if which == "base" and from_copy and parts.copy is not None:
            assert self._copy_head is not None
            yield parts.copy, self._copy_head
            return
        values = parts.base_values if which == "base" else self._settled
        if values is None:
            yield parts.model, self._head
            return
        off = parts.adapted.disable_adapter() if parts.adapted else contextlib.nullcontext()
        with off, _swapped(values):
            # The head outlives the swap: it must hold on to these values, not to the parameter.
            yield parts.model, replace(self._head, weight_VD=self._head.weight_VD.detach())

    def _count(self, batches: Sequence[Batch]) -> StepCounts:
        regularizer = self._parts.regularizer
        on = regularizer.on if regularizer else ()
        counts = [(batch.kind, int((batch.labels != ignored_label).sum())) for batch in batches]
        targets = sum(count for _, count in counts)
        if targets == 0:
            remedy = "Look at the loss mask with Check: max_length may cut the answers away."
            raise EngineError("no-targets", "None of the rows of this step has a token to learn from", remedy=remedy)
        return StepCounts(targets, sum(count for kind, count in counts if kind in on))


@contextlib.contextmanager
def _swapped(values: dict[torch.nn.Parameter, torch.Tensor]) -> Iterator[None]:
    own = {parameter: parameter.data for parameter in values}
    try:
        for parameter, value in values.items():
            parameter.data = value
        yield
    finally:
        for parameter, value in own.items():
            parameter.data = value


def _targets(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Cells (b · T + t) that predict a label, and the labels."""
    flat = batch.labels.flatten()
    index = (flat != ignored_label).nonzero()[:, 0]
    return index, flat[index]


def _spread(batch: Batch, index: torch.Tensor, values: torch.Tensor) -> np.ndarray:
    spread = values.new_zeros(batch.rows * batch.length)
    spread[index] = values
    return spread.view(batch.rows, batch.length).cpu().numpy()

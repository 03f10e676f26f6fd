"""
What trains, and the optimizer's moments, by name, beside the counters of a run. A checkpoint is a dump of this store, a
resume its load. Everything is f32 but moments in 8 bits. Knows no model and no method.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..engine_error import EngineError
from ..weights.safetensors import TensorInfo
from .checkpoint import Counters, read_counters, read_tensors, verify_checkpoint, write_checkpoint


class StateStore:
    def __init__(self) -> None:
        self.counters: Counters = {}
        """Written with a dump, replaced by a load."""
        self.optimizer_step = 0
        """Updates made so far: the optimizer's bias corrections depend on it. Dumped with the counters."""
        self._tensors: dict[str, torch.Tensor] = {}

    def add(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor itself is held, and written into by a load."""
        if name in self._tensors:
            raise EngineError("state", f"The state tensor {name} exists already")
        self._tensors[name] = tensor
        return tensor

    def bytes_of(self, prefix: str) -> int:
        return sum(tensor.nbytes for name, tensor in self._tensors.items() if name.startswith(prefix))

    def dump(self, folder: str) -> int:
        """Writes a checkpoint folder: all or nothing, every file with its sha256. Returns its bytes."""
        infos = [TensorInfo(name, tuple(t.shape), t.dtype) for name, t in self._tensors.items()]
        counters = {**self.counters, "optimizerStep": self.optimizer_step}
        return write_checkpoint(folder, infos, self._tensors.__getitem__, counters)

    @torch.no_grad()
    def load(self, folder: str, check: Callable[[Counters], None]) -> None:
        """Verifies the folder, lets `check` refuse its counters, then refuses one that does not hold exactly this."""
        verify_checkpoint(folder)
        counters = read_counters(folder)
        check(counters)
        found = read_tensors(folder)
        extra = next((name for name in found.names if name not in self._tensors), None)
        if extra is not None:
            raise _mismatch(folder, f"The checkpoint {folder} holds {extra}, which this run does not have")
        for name, tensor in self._tensors.items():
            values = found.read(name) if name in found.names else None
            if values is None or values.shape != tensor.shape or values.dtype != tensor.dtype:
                had = "is missing" if values is None else f"is {_kind(values)} instead of {_kind(tensor)}"
                raise _mismatch(folder, f"{name} {had} in the checkpoint {folder}")
            tensor.copy_(values)
        self.optimizer_step = int(counters.pop("optimizerStep", 0))
        self.counters = counters


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _mismatch(folder: str, message: str) -> EngineError:
    remedy = "Resume with the recipe that the checkpoint was written by."
    return EngineError("checkpoint-mismatch", message, file=folder, remedy=remedy)

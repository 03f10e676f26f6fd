"""
The safetensors format: tensors written one at a time, so that a large state is never held twice, and read with every
offset checked. Pickle is never read: a folder that holds nothing else is refused with the way to convert it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import safetensors
import torch

from ..engine_error import EngineError

_dtype_names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.uint8: "U8"}
_dtypes = {name: dtype for dtype, name in _dtype_names.items()}
_pickles = re.compile(r"\.(bin|pt|pth|ckpt|pkl|pickle)$")


@dataclass(frozen=True)
class TensorInfo:
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def bytes(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count * self.dtype.itemsize


def write_safetensors(file: str, tensors: list[TensorInfo], read: Callable[[str], torch.Tensor]) -> None:
    header, offset = {}, 0
    for info in tensors:
        end = offset + info.bytes
        header[info.name] = {
            "dtype": _dtype_names[info.dtype],
            "shape": list(info.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(file, "wb") as handle:
        handle.write(len(text).to_bytes(8, "little") + text)
        for info in tensors:
            values = read(info.name).detach().to("cpu", info.dtype).contiguous()
            handle.write(values.reshape(-1).view(torch.uint8).numpy().data)
        handle.flush()
        os.fsync(handle.fileno())


class TensorFiles:
    """Every tensor of a folder's safetensors files by name. Nothing is read until it is asked for."""

    def __init__(self, folder: str) -> None:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".safetensors"))
        self._places: dict[str, str] = {}
        for name in names:
            file = os.path.join(folder, name)
            with _open(file) as handle:
                self._places.update(dict.fromkeys(handle.keys(), file))

    @property
    def names(self) -> list[str]:
        return list(self._places)

    def dtype(self, name: str) -> torch.dtype:
        with _open(self._places[name]) as handle:
            return _dtypes.get(handle.get_slice(name).get_dtype(), torch.float32)

    def read(self, name: str) -> torch.Tensor:
        with _open(self._places[name]) as handle:
            return handle.get_tensor(name)


def refuse_pickles(folder: str) -> None:
    """A folder with weights as safetensors may carry others beside them; they are not read."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    if any(name.endswith(".safetensors") for name in names):
        return
    found = sorted(name for name in names if _pickles.search(name))
    if not found:
        return
    raise EngineError(
        "model-pickle",
        f"The weights in {folder} are pickle files ({found[0]}), which can run code when they are opened",
        file=os.path.join(folder, found[0]),
        remedy="Save them again where you trust them: model.save_pretrained(folder), which writes safetensors.",
    )


def _open(file: str):
    try:
        return safetensors.safe_open(file, framework="pt", device="cpu")
    except (OSError, safetensors.SafetensorError) as error:
        message = f"{os.path.basename(file)} is no whole safetensors file: {error}"
        remedy = "Copy or download it again."
        raise EngineError("weights-unreadable", message, file=file, remedy=remedy) from error

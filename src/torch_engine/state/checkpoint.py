"""
A checkpoint folder: state.safetensors, counters.json, and manifest.json with the sha256 of both. It appears by one rename
and is verified before it is used. Knows nothing of what the tensors mean.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from typing import Any

import torch

from ..atomic_file import write_folder
from ..engine_error import EngineError
from ..weights.safetensors import TensorFiles, TensorInfo, write_safetensors

manifest_file = "manifest.json"
checkpoint_format = 1
tensors_file, counters_file = "state.safetensors", "counters.json"
largest_counters = 1024 * 1024

Counters = dict[str, Any]


def write_checkpoint(
    folder: str, tensors: list[TensorInfo], read: Callable[[str], torch.Tensor], counters: Counters
) -> int:
    def fill(temporary: str) -> None:
        write_safetensors(os.path.join(temporary, tensors_file), tensors, read)
        _write_json(os.path.join(temporary, counters_file), counters)
        files = {name: _size_and_hash(os.path.join(temporary, name)) for name in (tensors_file, counters_file)}
        _write_json(os.path.join(temporary, manifest_file), {"format": checkpoint_format, "files": files})

    return write_folder(folder, fill)


def damage_of(folder: str) -> str | None:
    """What is wrong with it, in words; None when every file has its recorded size and sha256."""
    manifest = _manifest(folder)
    if manifest is None:
        return f"its {manifest_file} is missing or not readable"
    for name in (tensors_file, counters_file):
        recorded = manifest.get(name)
        if not isinstance(recorded, dict):
            return f"its {manifest_file} does not name {name}"
        try:
            found = _size_and_hash(os.path.join(folder, name))
        except OSError:
            return f"its {name} is missing or not readable"
        if found["bytes"] != recorded.get("bytes"):
            return f"its {name} has {found['bytes']} of {recorded.get('bytes')} bytes"
        if found["sha256"] != recorded.get("sha256"):
            return f"its {name} has changed since it was written"
    return None


def verify_checkpoint(folder: str) -> None:
    damage = damage_of(folder)
    if damage is None:
        return
    message = f"The checkpoint {folder} cannot be used: {damage}"
    raise EngineError("checkpoint-damaged", message, file=folder, remedy="Resume from an older checkpoint.")


def read_counters(folder: str) -> Counters:
    """Of a checkpoint that was verified."""
    with open(os.path.join(folder, counters_file), encoding="utf-8") as handle:
        counters = json.loads(handle.read(largest_counters))
    return counters if isinstance(counters, dict) else {}


def read_tensors(folder: str) -> TensorFiles:
    """Of a checkpoint that was verified."""
    return TensorFiles(folder)


def _manifest(folder: str) -> dict[str, Any] | None:
    try:
        with open(os.path.join(folder, manifest_file), encoding="utf-8") as handle:
            manifest = json.loads(handle.read(64 * 1024))
        return manifest["files"] if manifest["format"] == checkpoint_format else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _size_and_hash(file: str) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with open(file, "rb") as handle:
        while chunk := handle.read(1024 * 1024):
            digest.update(chunk)
            size += len(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _write_json(file: str, value: Any) -> None:
    with open(file, "w", encoding="utf-8") as handle:
        json.dump(value, handle, allow_nan=False)

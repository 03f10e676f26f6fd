"""
The result as transformers and PEFT load it: a model folder or an adapter folder, and the weights as they will be read back
from it. Knows formats and file names, nothing of training.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from typing import Any

import torch

from ..atomic_file import write_folder
from ..methods.lora import LoraPlan, adapter_name, short_modules
from ..weights.safetensors import TensorFiles, TensorInfo, write_safetensors
from .tuned_language_model import TunedLanguageModel

info_file = "holdfast.json"
_tokenizer_files = re.compile(
    r"^(tokenizer\.json|tokenizer\.model|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|vocab\.json"
    r"|merges\.txt|chat_template\.jinja|generation_config\.json)$"
)
_dtypes = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


class ModelWriter:
    def __init__(self, model: TunedLanguageModel, base_folder: str, plan: LoraPlan | None, output: str) -> None:
        """`output`: auto stores every tensor as the base's file does."""
        self._model = model
        self._base_folder = base_folder
        self._plan = plan
        files = TensorFiles(base_folder)
        known = {name: files.dtype(name) for name in files.names}
        self._usual = _dtypes.get(output) or Counter(known.values()).most_common(1)[0][0]
        self._known = known if output == "auto" else {}

    @torch.no_grad()
    def use_saved_precision(self) -> None:
        """From here on `tuned` means the weights as they will be read back."""
        if self._model.is_settled:
            return
        if self._plan and self._plan.is_merged:
            self._model.settle(self._merged())
            return
        for name, parameter in self._model.trained.items():
            parameter.copy_(parameter.to(self._dtype(name)).to(parameter.dtype))

    def write(self, folder: str, info: dict[str, Any]) -> int:
        def fill(temporary: str) -> None:
            if self._plan and not self._plan.is_merged:
                self._write_adapter(temporary)
            else:
                self._write_model(temporary)
            for name in os.listdir(self._base_folder):
                if _tokenizer_files.match(name):
                    shutil.copyfile(os.path.join(self._base_folder, name), os.path.join(temporary, name))
            _write_json(os.path.join(temporary, info_file), info)

        return write_folder(folder, fill)

    def _dtype(self, name: str) -> torch.dtype:
        return self._known.get(name, self._usual)

    def _merged(self) -> dict[torch.nn.Parameter, torch.Tensor]:
        """What each adapted map becomes, by the parameter it takes the place of."""
        assert self._plan is not None
        modules, merged = dict(self._model.transformer.named_modules()), {}
        for name in self._plan.modules:
            layer = modules[name]
            weight = layer.get_base_layer().weight
            own = weight.data
            weight.data = own.float().clone()
            layer.merge(adapter_names=[adapter_name])
            value = weight.data.to(self._dtype(f"{name}.weight")).to(own.dtype)
            # Not unmerged: taking away what was added would leave rounding behind.
            weight.data = own
            layer.merged_adapters.clear()
            merged[weight] = value
        return merged

    def _write_model(self, folder: str) -> None:
        transformer = self._model.transformer
        with self._model.settled():
            tensors = {name: t.to(self._dtype(name)) for name, t in self._model.own_tensors().items()}
        config = transformer.config
        before, config.dtype = config.dtype, self._usual
        try:
            # Tied tensors are named once, as transformers itself would keep them.
            transformer.save_pretrained(folder, state_dict=tensors, max_shard_size="1000GB")
        finally:
            config.dtype = before

    def _write_adapter(self, folder: str) -> None:
        assert self._plan is not None and self._model.adapted is not None
        from peft import get_peft_model_state_dict

        adapted = self._model.adapted
        tensors = get_peft_model_state_dict(adapted, adapter_name=adapter_name, save_embedding_layers=False)
        infos = [TensorInfo(name, tuple(t.shape), self._usual) for name, t in tensors.items()]
        write_safetensors(os.path.join(folder, "adapter_model.safetensors"), infos, tensors.__getitem__)
        config = adapted.peft_config[adapter_name]
        names = list(self._model.own_tensors())
        before = config.target_modules, config.inference_mode, config.base_model_name_or_path
        config.target_modules = short_modules(names, self._plan.modules)
        config.inference_mode, config.base_model_name_or_path = True, self._base_folder
        try:
            config.save_pretrained(folder)
        finally:
            config.target_modules, config.inference_mode, config.base_model_name_or_path = before


def _write_json(file: str, value: Any) -> None:
    with open(file, "w", encoding="utf-8") as handle:
        handle.write(json.dumps(value, indent=2) + "\n")

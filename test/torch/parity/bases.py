"""
Small models of random weights of every family that the embedded engine trains, as transformers saves them: tied and untied,
in each number format, in one file and in shards. Prints their names. usage: python bases.py FOLDER
"""

from __future__ import annotations

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig, Qwen2Config, Qwen3Config

small = {
    "vocab_size": 48,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
llama3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
linear = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}
families = {
    "Llama 2": lambda **more: LlamaConfig(**small, **more),
    "Llama 3": lambda **more: LlamaConfig(**small, **more, rope_parameters=llama3),
    "Llama, linear RoPE": lambda **more: LlamaConfig(**small, **more, rope_parameters=linear, attention_bias=True, mlp_bias=True),
    "SmolLM2": lambda **more: LlamaConfig(**small, **more, rope_parameters={"rope_type": "default", "rope_theta": 100_000.0}),
    "Qwen2": lambda **more: Qwen2Config(**small, **more),
    "Qwen3": lambda **more: Qwen3Config(**small, **more, head_dim=10),
}
dtypes = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
shapes = [("tied", "f32", "whole"), ("tied", "bf16", "sharded"), ("untied", "f32", "sharded"), ("untied", "f16", "whole")]


def main() -> None:
    names = []
    for seed, (family, configure) in enumerate(families.items()):
        for tie, dtype, files in shapes:
            names.append(f"{family}, {tie}, {dtype}, {files}")
            torch.manual_seed(seed)
            model = random_model(configure(tie_word_embeddings=tie == "tied")).to(dtypes[dtype])
            folder = os.path.join(sys.argv[1], names[-1])
            model.save_pretrained(folder, max_shard_size="8KB" if files == "sharded" else "1GB")
            is_sharded = os.path.exists(os.path.join(folder, "model.safetensors.index.json"))
            assert is_sharded == (files == "sharded"), names[-1]
    print(json.dumps(names))


def random_model(config: PretrainedConfig) -> torch.nn.Module:
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
        elif name.endswith(".bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    return model


if __name__ == "__main__":
    main()

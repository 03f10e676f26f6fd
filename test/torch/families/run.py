"""
Trains a small model of random weights of every family, wholly, narrowly and with an adapter, and loads the results as
anybody would, with transformers and PEFT. Prints one line of JSON for each.
usage: python run.py START.json FOLDER, where START is a start message with prepared data
"""

import dataclasses
import json
import os
import shutil
import sys
import traceback

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "..", "src"))

import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from torch_engine.protocol import decode_command  # noqa: E402
from torch_engine.run_control import RunControl  # noqa: E402
from torch_engine.open_run import open_run  # noqa: E402
from torch_engine.trainer import Training  # noqa: E402
from torch_engine.batch import make_batch  # noqa: E402

small = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
families = {
    "Llama 3": transformers.LlamaConfig(
        **small,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    ),
    "SmolLM3": transformers.SmolLM3Config(**small),
    "Qwen2": transformers.Qwen2Config(**small),
    "Qwen3": transformers.Qwen3Config(**small, head_dim=16),
    "Mistral": transformers.MistralConfig(**small, sliding_window=16),
    "Gemma 3": transformers.Gemma3TextConfig(
        **small,
        head_dim=16,
        query_pre_attn_scalar=16,
        sliding_window=16,
        layer_types=["sliding_attention", "full_attention"] * 2,
    ),
    "Phi-3": transformers.Phi3Config(**small),
}


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        template = decode_command(file.read())
    for family, config in families.items():
        folder = os.path.join(sys.argv[2], family.replace(" ", "-"))
        make_model(folder, config, tokenizer=template.paths[template.recipe["model"]])
        for way in ("full", "narrow", "adapter"):
            try:
                found = train_and_load(family, template, folder, way)
            except BaseException as error:
                traceback.print_exc()
                found = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps({"family": family, "way": way, **found}), flush=True)


def make_model(folder: str, config: transformers.PretrainedConfig, tokenizer: str) -> None:
    torch.manual_seed(3)
    transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(os.path.join(tokenizer, name), os.path.join(folder, name))


def train_and_load(family: str, template, folder: str, way: str) -> dict:
    recipe = dict(template.recipe)
    names = ["qkv_proj", "down_proj"] if family == "Phi-3" else ["q_proj", "v_proj", "down_proj"]
    if way == "narrow":
        recipe["method"] = {"narrow": {"tune": ["attention"]}}
    if way == "adapter":
        recipe["adapter"] = {"type": "lora", "r": 4, "alpha": 8, "target_modules": names, "output": "adapter"}
        recipe["adapter"] |= {"use_rslora": True, "use_dora": family == "Llama 3"}
    outputs = {name: os.path.join(folder, way, name) for name in template.outputs}
    start = dataclasses.replace(
        template, recipe=recipe, outputs=outputs, paths={**template.paths, recipe["model"]: folder}
    )
    said = []
    run = open_run(start, said.append)
    end = Training(run, start, said.append, RunControl()).to_the_end()
    losses = [event["metrics"]["loss"] for event in said if event["type"] == "step"]
    batch = make_batch(run.prepared.at(1).micro_batches[0][1])
    own = torch.from_numpy(run.model.logits(batch, "tuned"))
    return {
        "end": end["reason"],
        "first": losses[0],
        "last": losses[-1],
        "moved": float((own - torch.from_numpy(run.model.logits(batch, "base"))).abs().max()),
        "apart": float((own - loaded_logits(folder, outputs["model"], batch, way)).abs().max()),
        "frozenChanged": frozen_changed(folder, outputs["model"], run.model.trained_names) if way != "adapter" else [],
    }


@torch.no_grad()
def loaded_logits(base: str, result: str, batch, way: str) -> torch.Tensor:
    model = transformers.AutoModelForCausalLM.from_pretrained(base if way == "adapter" else result)
    if way == "adapter":
        model = peft.PeftModel.from_pretrained(model, result)
    # One row at a time and without positions: as somebody would call it.
    rows = [model.eval()(input_ids=row[None]).logits for row in batch.ids]
    return torch.cat(rows).float()


def frozen_changed(base: str, result: str, trained: list[str]) -> list[str]:
    before = transformers.AutoModelForCausalLM.from_pretrained(base).state_dict()
    after = transformers.AutoModelForCausalLM.from_pretrained(result).state_dict()
    tied = {name for name in before if any(before[name].data_ptr() == before[t].data_ptr() for t in trained)}
    return [name for name in before if name not in tied and not torch.equal(before[name], after[name])]


if __name__ == "__main__":
    main()

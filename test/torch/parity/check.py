"""
Loads what the embedded engine wrote as anybody would, with transformers and PEFT, and compares logits. Prints, by name, the
class that was loaded and the largest differences of a logit: `apart` to those told, `moved` to the base's.
usage: python check.py TOLD.json, a list of {name, base, folder, ids, logits}
"""

from __future__ import annotations

import json
import os
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


@torch.no_grad()
def logits_of(folder: str, base: str, ids: list[list[int]]) -> tuple[str, torch.Tensor]:
    is_adapter = os.path.exists(os.path.join(folder, "adapter_config.json"))
    model = AutoModelForCausalLM.from_pretrained(base if is_adapter else folder, dtype=torch.float32)
    if is_adapter:
        model = PeftModel.from_pretrained(model, folder)
    return type(model).__name__, model.eval()(input_ids=torch.tensor(ids)).logits.flatten()


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        told = json.load(file)
    found = {}
    for each in told:
        kind, logits = logits_of(each["folder"], each["base"], each["ids"])
        _, of_base = logits_of(each["base"], each["base"], each["ids"])
        apart = (logits - torch.tensor(each["logits"])).abs().max().item()
        found[each["name"]] = {"kind": kind, "apart": apart, "moved": (logits - of_base).abs().max().item()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""
What is measured in a process of its own. memory RECIPE: bytes that opening a model and three steps take beyond the loaded
libraries, on Linux. first ours|transformers: seconds from the start of Python to the end of a first step, without base scores.
usage: python torchAlone.py MODEL THREADS memory|first WORD
"""

import time

started_at = time.perf_counter()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src"))
folder, threads, what, word = sys.argv[1:5]
settings = {"seed": 1, "weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0}


def ours(changes: dict, steps: int, opened=lambda: None) -> None:
    import numpy as np

    from torch_engine import jobs  # noqa: F401  All that a run loads.
    from torch_engine.batch import Tokens, make_batch
    from torch_engine.model.open_tuning_model import open_tuning_model
    from torch_engine.model.precision import choose_precision

    opened()
    recipe = {"train": settings, "method": {}, **changes}
    model = open_tuning_model(folder, recipe, choose_precision(recipe))
    rows = np.random.default_rng(1).integers(3, model.vocabulary_size, (8, 128), dtype=np.int32)
    for _ in range(steps):
        model.step([make_batch([[Tokens(row, np.ones(128, np.uint8))] for row in rows])], 1e-4)


def transformers_alone() -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).train()
    if torch.cuda.is_available():
        model.cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(3, model.config.vocab_size, (8, 128), device=model.device)
    loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    optimizer.step()
    loss.item()


def memory(changes: dict) -> int:
    before: list[int] = []
    ours(changes, 3, lambda: before.append(held()))
    return peak() - before[0]


def held() -> int:
    """Bytes now; what was held before counts no longer in `peak`."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")
    return of_status("VmRSS")


def peak() -> int:
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else of_status("VmHWM")


def of_status(name: str) -> int:
    with open("/proc/self/status", encoding="utf-8") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


import torch  # noqa: E402

torch.set_num_threads(int(threads))
if what == "memory":
    print(memory(json.loads(word)))
else:
    ours({}, 1) if word == "ours" else transformers_alone()
    print(time.perf_counter() - started_at)

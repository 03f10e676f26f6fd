"""
The torch engine's step beside TRL's SFTTrainer with PEFT: the same model, rows, batch, precision and threads, in turns
within one process; the memory of KL by swap, and the time to a first step, each in a process of its own. Prints one line of
JSON. usage: python torchPeer.py ROUNDS STEPS THREADS
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src"))

import datasets  # noqa: E402
import numpy as np  # noqa: E402
import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import trl  # noqa: E402

from torch_engine.batch import Tokens, make_batch  # noqa: E402
from torch_engine.evaluate.item_scores import scored_rows  # noqa: E402
from torch_engine.model.open_tuning_model import open_tuning_model  # noqa: E402
from torch_engine.model.precision import choose_precision  # noqa: E402

rounds, steps, threads = (int(word) for word in sys.argv[1:4])
rows_a_step, length, rate = 8, 128, 1e-4
shape = transformers.LlamaConfig(
    vocab_size=4096,
    hidden_size=256,
    intermediate_size=688,
    num_hidden_layers=6,
    num_attention_heads=8,
    num_key_value_heads=4,
    max_position_embeddings=256,
    tie_word_embeddings=True,
)
lora = {"type": "lora", "r": 8, "alpha": 16, "target_modules": ["q_proj", "v_proj"], "output": "adapter"}
kl = {"kind": "kl", "weight": 0.5, "on": ["task"], "teacher": "swap", "direction": "forward", "temperature": 1}
ours = {
    "plain": {},
    "LoRA": {"adapter": lora},
    "KL by swap": {"method": {"regularize": kl}},
    "attention alone": {"method": {"narrow": {"tune": ["attention"]}}},
}


settings = {
    "seed": 1,
    "weight_decay": 0.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "max_grad_norm": 1.0,
}
scored_items = 32


class StepTimes(transformers.TrainerCallback):
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, *_, **__) -> None:
        self._at = time.perf_counter()

    def on_step_end(self, *_, **__) -> None:
        self.seconds.append(time.perf_counter() - self._at)


def main() -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        transformers.AutoModelForCausalLM.from_config(shape, dtype=torch.float32).save_pretrained(folder)
        generator = np.random.default_rng(1)
        rows = generator.integers(3, shape.vocab_size, (rows_a_step * steps, length), dtype=np.int32)
        arms = {f"ours, {name}": our_arm(folder, rows, recipe) for name, recipe in ours.items()}
        arms |= {f"SFTTrainer, {name}": peer_arm(folder, rows, name == "LoRA") for name in ("plain", "LoRA")}
        times: dict[str, list[float]] = {name: [] for name in arms}
        points = forgetting_arm(folder, rows)
        measured: list[float] = []
        for _ in range(rounds):
            for name, arm in arms.items():
                # The first steps of a turn find cold caches.
                times[name].append(statistics.median(arm()[2:]))
            measured.append(points())
        alone = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torchAlone.py")

        def told_by(*words: str) -> float:
            ran = subprocess.run([sys.executable, alone, folder, str(threads), *words], capture_output=True, text=True, check=True)
            return float(ran.stdout.strip().split("\n")[-1])

        memory = {name: [told_by("memory", json.dumps(ours[name]))] for name in ("plain", "KL by swap")}
        first = {who: [told_by("first", who) for _ in range(min(rounds, 3))] for who in ("ours", "transformers")}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    about = {"device": device, "torch": torch.__version__, "trl": trl.__version__}
    print(json.dumps({**about, "seconds": times, "evaluation": measured, "memory": memory, "first": first}))


def our_arm(folder: str, rows: np.ndarray, changes: dict):
    recipe = {"train": settings, "method": {}, **changes}
    model = open_tuning_model(folder, recipe, choose_precision(recipe))
    targets = np.ones(length, np.uint8)

    def turn() -> list[float]:
        seconds = []
        for step in range(steps):
            at = time.perf_counter()
            own = rows[step * rows_a_step : (step + 1) * rows_a_step]
            model.step([make_batch([[Tokens(row, targets)] for row in own])], rate)
            seconds.append(time.perf_counter() - at)
        return seconds

    return turn


def forgetting_arm(folder: str, rows: np.ndarray):
    """
    Seconds of one point of the curves as the recipe's defaults have it: 32 items of a probe set and of held-out rows are
    scored, and the KL to the base is taken on 32 training rows and on the items of the probe set, in the pass that scores
    them. Items as long as training rows. What the base makes of them was computed before.
    """
    recipe = {"train": settings, "method": {}}
    model = open_tuning_model(folder, recipe, choose_precision(recipe))
    sequences = [[Tokens(row, np.ones(length, np.uint8))] for row in np.resize(rows, (scored_items, length))]
    batches = [make_batch(sequences[i : i + scored_rows]) for i in range(0, scored_items, scored_rows)]

    base = [model.base_states(batch) for batch in batches]

    def turn() -> float:
        at = time.perf_counter()
        for batch in batches:
            model.score(batch, "tuned")
        for batch, states in [*zip(batches, base, strict=True)] * 2:
            model.compare(batch, states)
        return time.perf_counter() - at

    return turn


def peer_arm(folder: str, rows: np.ndarray, is_adapter: bool):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    is_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    settings = trl.SFTConfig(
        output_dir=tempfile.mkdtemp(),
        max_steps=steps,
        per_device_train_batch_size=rows_a_step,
        learning_rate=rate,
        lr_scheduler_type="constant",
        max_length=length,
        bf16=is_bf16,
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_steps=10**9,
        dataset_kwargs={"skip_prepare_dataset": True},
        optim="adamw_torch_fused",
    )
    config = peft.LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    # With a fingerprint of its own nothing is hashed by pickling.
    table = datasets.table.InMemoryTable.from_pydict({"input_ids": rows.tolist(), "labels": rows.tolist()})
    data = datasets.Dataset(table, fingerprint="rows")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=one_word_tokenizer(), pad_token="a", eos_token="a")
    watch = StepTimes()
    trainer = trl.SFTTrainer(
        model=model,
        args=settings,
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=config if is_adapter else None,
        data_collator=stacked,
        callbacks=[watch],
    )

    def turn() -> list[float]:
        watch.seconds.clear()
        trainer.train()
        return list(watch.seconds)

    return turn


def stacked(rows: list[dict]) -> dict[str, torch.Tensor]:
    batch = {name: torch.tensor([row[name] for row in rows]) for name in ("input_ids", "labels")}
    return {**batch, "attention_mask": torch.ones_like(batch["labels"])}


def one_word_tokenizer():
    from tokenizers import Tokenizer, models

    return Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))


if __name__ == "__main__":
    main()

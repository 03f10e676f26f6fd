"""A training script as people write them: a plain transformers Trainer, prints, and one callback."""

import os
import sys

import torch
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

from holdfast import HoldfastCallback

steps, kind = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(1)
torch.set_num_threads(1)
model = AutoModelForCausalLM.from_pretrained("model", dtype=torch.float32)
if kind == "lora":
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
rows = torch.randint(3, 300, (64, 16)).tolist()
arguments = TrainingArguments(
    output_dir="output",
    max_steps=steps,
    per_device_train_batch_size=4,
    learning_rate=5e-3,
    logging_steps=1,
    save_strategy="no",
    report_to=[],
    use_cpu=True,
    disable_tqdm=True,
    ddp_backend="gloo" if "WORLD_SIZE" in os.environ else None,
)
trainer = Trainer(
    model=model,
    args=arguments,
    train_dataset=[{"input_ids": row, "labels": row} for row in rows],
    callbacks=[HoldfastCallback()],
)
trainer.train()
print('{"loss": 123456}')
model.save_pretrained("tuned")

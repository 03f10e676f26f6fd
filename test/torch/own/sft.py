"""The same with TRL's SFTTrainer, from a file of rows."""

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from holdfast import HoldfastCallback

torch.manual_seed(1)
torch.set_num_threads(1)
tokenizer = AutoTokenizer.from_pretrained("model")
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
trainer = SFTTrainer(
    model=AutoModelForCausalLM.from_pretrained("model", dtype=torch.float32),
    processing_class=tokenizer,
    args=SFTConfig(
        output_dir="output",
        max_steps=6,
        per_device_train_batch_size=4,
        max_length=48,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
    ),
    train_dataset=load_dataset("json", data_files="train.jsonl", split="train"),
    callbacks=[HoldfastCallback()],
)
trainer.train()

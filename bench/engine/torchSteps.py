"""The same training steps in torch, for bench/engine/arms.ts: settings in argv, one line of JSON when it is ready, then one
a round, whenever a line comes in. eager and compile: a Llama as fast as torch writes it, with a packing mask. peft: LoRA r = 8
on every map of the folder's model, by transformers and PEFT, with the causal mask alone.

usage: python torchSteps.py '{"way": "eager", "folder": …, "rows": 8, "length": 128, "threads": 2, "steps": 6, "warmup": 3}'
"""

import json
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

settings = json.loads(sys.argv[1])
way, rows, length = settings["way"], settings["rows"], settings["length"]
torch.set_num_threads(settings["threads"])
torch.manual_seed(0)
with open(os.path.join(settings["folder"], "config.json"), encoding="utf-8") as file:
    c = json.load(file)
width, heads, kv_heads = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
head_width = width // heads


class RmsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x, (width,), self.weight, 1e-6)


def rotate(x, cos, sin):
    low, high = x.chunk(2, -1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        linear = lambda i, o: nn.Linear(i, o, bias=False)
        self.norm1, self.norm2 = RmsNorm(), RmsNorm()
        self.q, self.o = linear(width, width), linear(width, width)
        self.k, self.v = linear(width, kv_heads * head_width), linear(width, kv_heads * head_width)
        self.gate, self.up = linear(width, c["intermediate_size"]), linear(width, c["intermediate_size"])
        self.down = linear(c["intermediate_size"], width)

    def forward(self, x, cos, sin, mask):
        h = self.norm1(x)
        split = lambda y, n: y.view(rows, length, n, head_width).transpose(1, 2)
        q, k, v = split(self.q(h), heads), split(self.k(h), kv_heads), split(self.v(h), kv_heads)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=heads != kv_heads)
        x = x + self.o(mixed.transpose(1, 2).reshape(rows, length, width))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(c["vocab_size"], width)
        self.layers = nn.ModuleList(Layer() for _ in range(c["num_hidden_layers"]))
        self.norm = RmsNorm()
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        angles = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(0, head_width, 2) / head_width)
        self.cos, self.sin = angles.cos(), angles.sin()
        self.causal = torch.ones(length, length, dtype=torch.bool).tril()

    def forward(self, ids, positions, segments):
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        mask = (segments[:, None, :, None] == segments[:, None, None, :]) & self.causal
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x) @ self.embedding.weight.T


def plain():
    model = Decoder()

    def loss_of(ids, labels, positions, segments):
        return F.cross_entropy(model(ids, positions, segments).flatten(0, 1), labels.flatten())

    return model, torch.compile(loss_of) if way == "compile" else loss_of


def adapted():
    import peft
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(settings["folder"], dtype=torch.float32)
    maps = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    lora = peft.LoraConfig(r=8, lora_alpha=16, target_modules=maps, task_type="CAUSAL_LM")
    model = peft.get_peft_model(base, lora).train()
    return model, lambda ids, labels, *_: model(input_ids=ids, labels=labels, use_cache=False).loss


model, loss_of = adapted() if way == "peft" else plain()
trained = [p for p in model.parameters() if p.requires_grad]
groups = [
    {"params": [p for p in trained if p.dim() > 1], "weight_decay": 0.01},
    {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=1e-4, fused=True)


def batch():
    ids = torch.randint(0, c["vocab_size"], (rows, length + 1))
    half = torch.arange(length) < length // 2
    positions = torch.where(half, torch.arange(length), torch.arange(length) - length // 2).expand(rows, length)
    segments = torch.where(half, 1, 2).expand(rows, length)
    return ids[:, :-1], ids[:, 1:], positions, segments


def step():
    data = batch()
    start = time.perf_counter()
    loss = loss_of(*data)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    loss.item()
    return (time.perf_counter() - start) * 1e3


def say(line):
    print(json.dumps(line), flush=True)


for _ in range(settings["warmup"]):
    step()
counts = {"parameters": sum(p.numel() for p in model.parameters()), "trainedParameters": sum(p.numel() for p in trained)}
say({"version": f"torch {torch.__version__} {way}", **counts})
for _ in sys.stdin:
    times = [step() for _ in range(settings["steps"])]
    say({"ms": times, "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})

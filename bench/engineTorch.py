"""The same training step in torch eager, for bench/engine.ts: reads settings from argv, prints one JSON line a round.

usage: python engineTorch.py '{"config": {…}, "rows": 8, "length": 128, "threads": 2, "steps": 12, "warmup": 3}'
Then one line on stdin a round, so that rounds of both engines can alternate in processes that stay open.
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

settings = json.loads(sys.argv[1])
c, rows, length = settings["config"], settings["rows"], settings["length"]
torch.set_num_threads(settings["threads"])
torch.manual_seed(0)
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


model = Decoder()
norms = [p for n, p in model.named_parameters() if p.dim() == 1]
others = [p for n, p in model.named_parameters() if p.dim() > 1]
groups = [{"params": others, "weight_decay": 0.01}, {"params": norms, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=3e-4, fused=True)


def batch():
    ids = torch.randint(0, c["vocab_size"], (rows, length + 1))
    half = torch.arange(length) < length // 2
    positions = torch.where(half, torch.arange(length), torch.arange(length) - length // 2).expand(rows, length)
    segments = torch.where(half, 1, 2).expand(rows, length)
    return ids[:, :-1], ids[:, 1:], positions, segments


def step():
    ids, labels, positions, segments = batch()
    start, cpu = time.perf_counter(), time.process_time()
    logits = model(ids, positions, segments)
    loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    loss.item()
    return (time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3


for _ in range(settings["warmup"]):
    step()
print(json.dumps({"ready": True, "version": torch.__version__}), flush=True)
for _ in sys.stdin:
    times = [step() for _ in range(settings["steps"])]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"ms": [t[0] for t in times], "cpuMs": [t[1] for t in times], "peakBytes": peak}), flush=True)

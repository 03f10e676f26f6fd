"""
Compiled layers: each layer of a model as one program of torch.compile, for the passes that are trained. What is measured
runs uncompiled, base and tuned alike; the check `trainEqualsEval` holds both to each other. Rows take few lengths, and each
gets a program of its own, so that no number depends on the order in which lengths came. Knows no recipe.
"""

from __future__ import annotations

import contextlib
import functools
import sys

import torch

lengths = 4
"""That rows are padded to, up to the longest."""
most_programs = 4096
"""Of one layer's code: lengths, numbers of rows, packed or not, with and without gradient or adapter, kinds of layers."""


@functools.cache
def fault(device: str) -> str | None:
    """Why nothing can be compiled here, found by trying; None where it can."""
    _settle()
    try:
        x = torch.ones(64, device=device, requires_grad=True)
        torch.compile(lambda x: (x.sin() + 1).sum())(x).backward()
        return None
    except Exception as error:
        print(f"torch.compile does not work here: {error!r}", file=sys.stderr)
        return _in_words(error)


def compile_layers(model: torch.nn.Module) -> None:
    _settle()
    for layers in _stacks(model):
        for layer in layers:
            layer.compile(dynamic=False)


def uncompiled() -> contextlib.AbstractContextManager[None]:
    return torch.compiler.set_stance("force_eager")


def length_step(longest: int) -> int:
    """In multiples of eight."""
    return max(8, -(-longest // lengths // 8) * 8)


def _stacks(model: torch.nn.Module) -> list[torch.nn.ModuleList]:
    decoder = model.get_decoder()
    return [module for module in decoder.children() if isinstance(module, torch.nn.ModuleList)]


def _settle() -> None:
    import torch._dynamo
    import torch._inductor.config

    # Past it torch would go on uncompiled in silence.
    torch._dynamo.config.recompile_limit = most_programs
    torch._dynamo.config.accumulated_recompile_limit = most_programs
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    # Its pool of processes would outlive a run that is killed.
    torch._inductor.config.compile_threads = 1


def _in_words(error: Exception) -> str:
    name = type(error).__name__
    if "Compiler" in name or "compiler" in str(error):
        return "no C++ compiler is at hand"
    if "triton" in f"{name} {error}".lower():
        return "Triton is not installed"
    return f"{name}: {str(error).strip().splitlines()[0][:200] if str(error).strip() else 'no reason given'}"

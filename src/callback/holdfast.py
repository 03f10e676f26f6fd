"""
Watches a training program for what it forgets: `from holdfast import HoldfastCallback`, and give it to a transformers
Trainer (or one built on it). It streams the trainer's metrics, scores the recipe's probe sets on the model in memory,
and obeys stop, pause and checkpoint. For other loops there is `Holdfast`, which the callback is made of.

It speaks through files in the folder that `holdfast run RECIPE -- PROGRAM` prepared (HOLDFAST_PREPARED), so the program
may print what it likes. Started otherwise it does nothing, and says so once. docs/byo-trainer.md has the rest.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from typing import Any, Iterator

try:
    from transformers import TrainerCallback
except ImportError:  # A loop without transformers uses `Holdfast` alone.
    TrainerCallback = object

# Logits of a batch stay below a quarter of a gigabyte in f32.
LOGITS_AT_ONCE = 2**26
KL_ITEMS = 32
PAUSE_LOOK_S = 0.2


class Holdfast:
    """The watch over one training: base scores first, then scores against them whenever it is asked."""

    def __init__(self) -> None:
        folder = os.environ.get("HOLDFAST_PREPARED")
        # Of several processes the first one watches; the others may be on machines that lack the folder.
        is_first = os.environ.get("RANK", "0") == "0"
        self.active = folder is not None and is_first
        self.stop_asked = False
        self._checkpoint_asked = False
        self._paused = False
        self._orders_read = 0
        self._base: dict[str, dict[int, dict[str, Any]]] = {}
        self._answers: list[str] | None = None
        self._evaluated: tuple[int, bool] | None = None
        if folder is None or not is_first:
            if is_first:
                _say_once("not started by `holdfast run`: the callback watches nothing")
            return
        self._folder = folder
        self._data = _read_json(os.path.join(folder, "artifact.json"))
        self._task = _read_json(os.path.join(folder, "task.json"))
        self._ids, self._targets, self._starts = _scored_arrays(folder, self._data)

    def begin(self, model: Any, steps: int = 0, tokenizer: Any = None, warnings: list[str] | None = None) -> None:
        """Before the first step: the model as it is now is the base that forgetting is measured against."""
        if not self.active:
            return
        import torch

        self._refuse_other_vocabulary(model)
        parameters = sum(p.numel() for p in model.parameters())
        trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        trained_count = sum(p.numel() for _, p in trained)
        device = next(model.parameters()).device
        self._say(
            type="begin",
            parameters=parameters,
            trainedParameters=trained_count,
            trained="everything" if trained_count == parameters else _describe([name for name, _ in trained]),
            steps=steps,
            runtime={"name": f"torch {torch.__version__}", "provider": _device_name(device)},
            environment={"python": sys.version.split()[0], "torch": torch.__version__},
            warnings=warnings or [],
        )
        with _evaluating(model), _as_base(model):
            for place, one in enumerate(self._data["sets"]):
                self._progress("base scores", place / len(self._data["sets"]))
                self._base[one["name"]] = self._score_items(model, one, list(range(len(one["lines"]))))
        self.evaluate(model, 0, tokenizer=tokenizer)

    def step(self, step: int, metrics: dict[str, Any]) -> None:
        """Numbers of an optimizer step; what is no number is left out, what is not finite is named."""
        if not self.active:
            return
        numbers = {k: float(v) for k, v in metrics.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
        if not numbers:
            return
        odd = {k: "nan" if math.isnan(v) else "inf" if v > 0 else "-inf" for k, v in numbers.items() if not math.isfinite(v)}
        finite = {k: (None if k in odd else v) for k, v in numbers.items()}
        self._say(type="step", step=step, metrics=finite, **({"nonFinite": odd} if odd else {}))

    def is_due(self, step: int) -> bool:
        return self.active and step > 0 and step % self._task["every"] == 0

    def evaluate(self, model: Any, step: int, final: bool = False, tokenizer: Any = None) -> None:
        """Scores every set on the model as it is. At the end all items, on the way a fixed part of them."""
        if not self.active or self._evaluated == (step, final):
            return
        self._evaluated = (step, final)
        sets: dict[str, Any] = {}
        lines: list[str] = []
        with _evaluating(model):
            for place, one in enumerate(self._data["sets"]):
                self._progress("final evaluation" if final else "evaluating", place / len(self._data["sets"]))
                scored = self._score_set(model, one, final, lines)
                if scored:
                    sets[one["name"]] = scored
            kl = self._divergences(model)
            samples = self._samples(model, tokenizer)
        name = "final.jsonl" if final else f"step-{step:06d}.jsonl"
        _write_whole(os.path.join(self._task["itemsFolder"], name), "".join(lines))
        self._say(type="scored", step=step, final=final, seed=self._task["seed"], sets=sets, kl=kl, items=name)
        for index, (prompt, base, tuned) in enumerate(samples):
            self._say(type="sample", step=step, index=index, prompt=prompt, base=base, tuned=tuned)

    def look(self) -> None:
        """Takes new orders; stands still here while it is paused."""
        while self.must_wait():
            time.sleep(PAUSE_LOOK_S)

    def must_wait(self) -> bool:
        """Takes new orders, and says whether it is paused."""
        return self.active and self._take_orders()

    def take_checkpoint_order(self) -> bool:
        """True once for each time it was asked."""
        asked, self._checkpoint_asked = self._checkpoint_asked, False
        return asked

    def end(self, model: Any, step: int, tokens: int = 0, tokenizer: Any = None) -> None:
        """After the last step, also after a stop."""
        if not self.active:
            return
        self.evaluate(model, step, final=True, tokenizer=tokenizer)
        self._say(type="end", step=step, tokens=tokens)

    def _take_orders(self) -> bool:
        """Whether it is paused."""
        file = os.path.join(self._folder, "orders.ndjson")
        if os.path.getsize(file) == self._orders_read:
            return self._paused and not self.stop_asked
        with open(file, "rb") as orders:
            orders.seek(self._orders_read)
            text = orders.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._orders_read += len(whole)
        for line in whole.decode("utf-8").splitlines():
            order = json.loads(line)["order"]
            self.stop_asked = self.stop_asked or order == "stop"
            self._checkpoint_asked = self._checkpoint_asked or order == "checkpoint"
            if order in ("pause", "resume"):
                self._paused = order == "pause"
        return self._paused and not self.stop_asked

    def _refuse_other_vocabulary(self, model: Any) -> None:
        rows = model.get_input_embeddings().weight.shape[0]
        size = self._data["tokenizer"]["size"]
        if size <= rows:
            return
        message = f"The recipe's model has a tokenizer of {size} tokens, the model that is trained has room for {rows}"
        remedy = "Name in the recipe the model that your program trains."
        self._say(type="refused", code="tokenizer-mismatch", message=message, remedy=remedy)
        raise ValueError(f"holdfast: {message}. {remedy}")

    def _score_set(self, model: Any, one: dict, final: bool, lines: list[str]) -> dict[str, Any] | None:
        """None where a loss is not finite: there is nothing to compare."""
        places = list(range(len(one["lines"]))) if final else one["order"][: self._task["items"]]
        tuned = self._score_items(model, one, places)
        base = self._base[one["name"]]
        odd = next((p for p in places for scores in (base, tuned) if not math.isfinite(scores[p]["loss"])), None)
        if odd is not None:
            _say_once(f"the loss on {one['file']}, line {one['lines'][odd]}, is not finite: {one['name']} is left out")
            return None
        for place in places:
            line = {"set": one["name"], "kind": one["kind"], "file": one["file"], "line": one["lines"][place]}
            lines.append(json.dumps({**line, "base": base[place], "tuned": tuned[place]}) + "\n")
        found = {"kind": one["kind"], "replayed": one["replayed"]}
        if "budget" in one:
            found["budget"] = one["budget"]
        return {**found, "base": [base[p] for p in places], "tuned": [tuned[p] for p in places]}

    def _score_items(self, model: Any, one: dict, places: list[int]) -> dict[int, dict[str, Any]]:
        wanted = [(place, s) for place in places for s in range(one["starts"][place], one["starts"][place + 1])]
        sums = self._sums(model, [one["first"] + s for _, s in wanted])
        by_item: dict[int, list[tuple[float, int]]] = {}
        for (place, _), found in zip(wanted, sums):
            by_item.setdefault(place, []).append(found)
        return {place: _conclude(one, place, by_item[place]) for place in places}

    def _sums(self, model: Any, sequences: list[int]) -> list[tuple[float, int]]:
        """Sum of -log p over the targets of each sequence, and how many there are."""
        import torch

        found: dict[int, tuple[float, int]] = {}
        for block in self._blocks(model, sequences):
            ids, targets, mask = self._batch(block, next(model.parameters()).device)
            with torch.no_grad():
                logits = _logits(model, ids, mask)[:, :-1].float()
                nll = torch.logsumexp(logits, -1) - logits.gather(-1, ids[:, 1:, None]).squeeze(-1)
            nll = (nll.double() * targets[:, 1:]).sum(1).tolist()
            counts = targets[:, 1:].sum(1).tolist()
            found.update({s: (nll[i], int(counts[i])) for i, s in enumerate(block)})
        return [found[s] for s in sequences]

    def _blocks(self, model: Any, sequences: list[int]) -> Iterator[list[int]]:
        """By length, so that little is padded."""
        vocabulary = model.get_input_embeddings().weight.shape[0]
        ordered = sorted(sequences, key=self._length)
        while ordered:
            longest = self._length(ordered[min(len(ordered), self._data["scoring"]["rows"]) - 1])
            rows = max(1, min(self._data["scoring"]["rows"], LOGITS_AT_ONCE // (longest * vocabulary)))
            yield ordered[:rows]
            ordered = ordered[rows:]

    def _length(self, sequence: int) -> int:
        return int(self._starts[sequence + 1] - self._starts[sequence])

    def _batch(self, block: list[int], device: Any) -> tuple[Any, Any, Any]:
        import torch

        length = max(self._length(s) for s in block)
        ids = torch.zeros(len(block), length, dtype=torch.long)
        targets = torch.zeros(len(block), length, dtype=torch.double)
        mask = torch.zeros(len(block), length, dtype=torch.long)
        for row, s in enumerate(block):
            begin, end = int(self._starts[s]), int(self._starts[s + 1])
            ids[row, : end - begin] = torch.from_numpy(self._ids[begin:end].astype("int64"))
            targets[row, : end - begin] = torch.from_numpy(self._targets[begin:end].astype("float64"))
            mask[row, : end - begin] = 1
        return ids.to(device), targets.to(device), mask.to(device)

    def _divergences(self, model: Any) -> dict[str, float]:
        """KL(base || tuned) in nats per target token, where the base can be had: with an adapter that switches off."""
        probes = [one for one in self._data["sets"] if one["kind"] != "learning"]
        return {one["name"]: value for one in probes if (value := self._divergence(model, one)) is not None}

    def _divergence(self, model: Any, one: dict) -> float | None:
        import torch

        items = one["order"][:KL_ITEMS]
        sequences = [one["first"] + one["starts"][i] + one["main"][i] for i in items]
        total, tokens = 0.0, 0.0
        for block in self._blocks(model, sequences):
            ids, targets, mask = self._batch(block, next(model.parameters()).device)
            with torch.no_grad():
                with _as_base(model) as is_base:
                    if not is_base:
                        return None
                    base = torch.log_softmax(_logits(model, ids, mask)[:, :-1].float(), -1)
                tuned = torch.log_softmax(_logits(model, ids, mask)[:, :-1].float(), -1)
                kl = (base.exp() * (base - tuned)).sum(-1).double()
            total += float((kl * targets[:, 1:]).sum())
            tokens += float(targets[:, 1:].sum())
        return total / tokens

    def _samples(self, model: Any, tokenizer: Any) -> list[tuple[str, str, str]]:
        prompts = self._data["prompts"]
        if not prompts or tokenizer is None:
            return []
        answers = [self._answer(model, tokenizer, prompt["ids"]) for prompt in prompts]
        if self._answers is None:
            self._answers = answers
        return [(prompt["text"], base, tuned) for prompt, base, tuned in zip(prompts, self._answers, answers)]

    def _answer(self, model: Any, tokenizer: Any, ids: list[int]) -> str:
        """Greedy, the plain way: each token costs a pass."""
        import torch

        about = self._data["tokenizer"]
        room = self._data["answers"]["promptTokens"]
        text = ([about["bos"]] if about["addsBos"] else []) + ids[-room:]
        answer: list[int] = []
        device = next(model.parameters()).device
        for _ in range(self._data["answers"]["tokens"]):
            with torch.no_grad():
                logits = _logits(model, torch.tensor([text + answer], device=device))[0, -1]
            token = int(logits.argmax())
            if token in about["stop"]:
                break
            answer.append(token)
        return tokenizer.decode(answer)

    def _progress(self, phase: str, fraction: float) -> None:
        self._say(type="progress", phase=phase, fraction=fraction)

    def _say(self, **line: Any) -> None:
        with open(os.path.join(self._folder, "said.ndjson"), "a", encoding="utf-8") as said:
            said.write(json.dumps(line, allow_nan=False) + "\n")


class HoldfastCallback(TrainerCallback):
    """
    `Holdfast` at the hooks of a transformers Trainer. Of several processes the first one watches and scores, where each
    holds the whole model; the others wait for it at their next exchange of gradients. All obey what the first one reads.
    """

    # Names of a Trainer's log → ours.
    NAMES = {"grad_norm": "gradientNorm", "learning_rate": "learningRate"}

    def __init__(self) -> None:
        self.watch = Holdfast()
        self._scores = False
        self._follows = False
        self._tokenizer: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        self._follows = _is_one_of_several(args) and bool(_from_first(args, [self.watch.active])[0])
        if not self.watch.active:
            return
        if _is_one_of_several(args) and not _holds_whole_model(args):
            _say_once("the model is spread over several processes: metrics are followed, probe sets are not scored")
            return
        self._scores = True
        warnings = []
        if state.global_step > 0:
            warnings.append(f"The program went on from step {state.global_step}: forgetting is measured from there.")
        self._tokenizer = more.get("processing_class") or more.get("tokenizer")
        self.watch.begin(model, steps=state.max_steps, tokenizer=self._tokenizer, warnings=warnings)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict | None = None, **more: Any) -> None:
        self.watch.step(state.global_step, {self.NAMES.get(name, name): value for name, value in (logs or {}).items()})

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> Any:
        stop, save = self._orders(args)
        control.should_save = control.should_save or save or stop
        if stop:
            control.should_training_stop = True
        elif self._scores and self.watch.is_due(state.global_step) and state.global_step < state.max_steps:
            self.watch.evaluate(model, state.global_step, tokenizer=self._tokenizer)
        return control

    def _orders(self, args: Any) -> tuple[bool, bool]:
        """Whether to stop and whether to save: one answer in all processes, or one would wait for another for ever."""
        if not self._follows:
            self.watch.look()
            return self.watch.stop_asked, self.watch.take_checkpoint_order()
        while True:
            waits = self.watch.must_wait()
            save = not waits and self.watch.take_checkpoint_order()
            waits, stop, save = _from_first(args, [waits, self.watch.stop_asked, save])
            if not waits:
                return stop, save
            time.sleep(PAUSE_LOOK_S)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        if self._scores:
            tokens = int(getattr(state, "num_input_tokens_seen", 0) or 0)
            self.watch.end(model, state.global_step, tokens=tokens, tokenizer=self._tokenizer)


def _is_one_of_several(args: Any) -> bool:
    import torch

    return getattr(args, "world_size", 1) > 1 and torch.distributed.is_available() and torch.distributed.is_initialized()


def _holds_whole_model(args: Any) -> bool:
    """With plain data parallelism; not where weights are split."""
    kind = str(getattr(getattr(args, "distributed_state", None), "distributed_type", ""))
    by_launcher = (os.environ.get(f"ACCELERATE_USE_{way}", "false") for way in ("FSDP", "DEEPSPEED", "PARALLELISM_CONFIG"))
    is_split = getattr(args, "fsdp", None) or getattr(args, "deepspeed", None) or "true" in by_launcher
    return "MULTI_" in kind and not is_split


def _from_first(args: Any, told: list[bool]) -> list[bool]:
    import torch

    flags = torch.tensor(told, dtype=torch.int32, device=args.device)
    torch.distributed.broadcast(flags, 0)
    return [bool(flag) for flag in flags.tolist()]


def _logits(model: Any, ids: Any, mask: Any = None) -> Any:
    return model(input_ids=ids, attention_mask=mask, use_cache=False).logits


def _conclude(one: dict, place: int, sums: list[tuple[float, int]]) -> dict[str, Any]:
    """From the sequences of an item to its loss, and to whether the right one was the likeliest."""
    if one["kind"] == "choice":
        per_character = [nll / length for (nll, _), length in zip(sums, one["characters"][place])]
        pick = per_character.index(min(per_character))
        gold = one["main"][place]
        nll, tokens = sums[gold]
        return {"loss": nll / tokens, "tokens": tokens, "correct": pick == gold, "pick": pick}
    if one["kind"] == "pairs":
        (good, tokens), (bad, _) = sums
        return {"loss": good / tokens, "tokens": tokens, "correct": good < bad}
    tokens = sum(count for _, count in sums)
    return {"loss": sum(nll for nll, _ in sums) / tokens, "tokens": tokens}


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """As for a reader: no dropout, no cache kept."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@contextlib.contextmanager
def _as_base(model: Any) -> Iterator[bool]:
    """With its adapter off, where it has one that can be switched; else the base is gone, and that is said."""
    switch = getattr(model, "disable_adapter", None)
    if switch is None or not hasattr(model, "peft_config"):
        yield False
        return
    with switch():
        yield True


def _scored_arrays(folder: str, data: dict) -> tuple[Any, Any, Any]:
    import numpy

    def section(name: str) -> Any:
        one = data["sections"][name]
        if one["length"] == 0:
            return numpy.zeros(0, dtype=one["dtype"])
        file = os.path.join(folder, "artifact.bin")
        return numpy.memmap(file, dtype=one["dtype"], mode="r", offset=one["offset"], shape=(one["length"],))

    return section("scoredIds"), section("scoredTargets"), section("scoredStarts")


def _describe(names: list[str]) -> str:
    parts = {[p for p in name.split(".") if p not in ("weight", "bias", "default", "lora_A", "lora_B")][-1] for name in names}
    return f"{', '.join(sorted(parts))} ({len(names)} tensors)"[:4000]


def _device_name(device: Any) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _write_whole(file: str, text: str) -> None:
    temporary = f"{file}.tmp"
    with open(temporary, "w", encoding="utf-8", newline="\n") as handle:
        handle.write(text)
    os.replace(temporary, file)


def _read_json(file: str) -> Any:
    with open(file, encoding="utf-8") as handle:
        return json.load(handle)


_said: set[str] = set()


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        print(f"holdfast: {text}", file=sys.stderr)

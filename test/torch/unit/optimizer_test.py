"""AdamW: moments in 8 bits follow those in f32, are stored in 8 bits, and go on where they were."""

import json
import os
import tempfile
import unittest

import torch

from torch_engine.engine_error import EngineError
from torch_engine.model.bits_and_bytes import version
from torch_engine.model.optimizer import Optimizer
from torch_engine.state.checkpoint import read_tensors
from torch_engine.state.state_store import StateStore

settings = {"weight_decay": 0.01, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0}
in_8_bits = {**settings, "optim": "adamw_8bit"}
shapes = {"embed_tokens.weight": (300, 64), "up_proj.weight": (192, 64), "q_proj.weight": (64, 32), "norm.weight": (64,)}


class Training:
    """Pulls every tensor towards a target, with noise that depends on the step alone."""

    def __init__(self, settings: dict) -> None:
        torch.manual_seed(3)
        self.named = {name: torch.nn.Parameter(torch.randn(shape)) for name, shape in shapes.items()}
        self.targets = {name: torch.randn(shape) for name, shape in shapes.items()}
        self.state = StateStore()
        for name, parameter in self.named.items():
            self.state.add(name, parameter.data)
        self.optimizer = Optimizer(self.named, settings, self.state, {"embed_tokens.weight"})

    def steps(self, count: int) -> dict[str, torch.Tensor]:
        for _ in range(count):
            torch.manual_seed(self.state.optimizer_step)
            for name, parameter in self.named.items():
                parameter.grad = parameter.data - self.targets[name] + 0.3 * torch.randn(parameter.shape)
            self.optimizer.step(1e-2)
        return {name: parameter.data.clone() for name, parameter in self.named.items()}


@unittest.skipIf(version() is None, "bitsandbytes is not installed")
class EightBits(unittest.TestCase):
    def test_small_tensors_and_embeddings_take_the_very_steps_of_f32(self) -> None:
        whole, packed = Training({**settings, "max_grad_norm": 1e9}).steps(20), Training({**in_8_bits, "max_grad_norm": 1e9}).steps(20)
        for name in ("embed_tokens.weight", "q_proj.weight", "norm.weight"):
            self.assertTrue(torch.equal(whole[name], packed[name]), name)

    def test_over_fifty_steps_the_way_is_that_of_f32_moments_within_a_few_percent(self) -> None:
        start = {name: p.data.clone() for name, p in Training(settings).named.items()}
        whole, packed = Training(settings).steps(50), Training(in_8_bits).steps(50)
        name = "up_proj.weight"
        way = whole[name] - start[name]
        apart = float((packed[name] - whole[name]).norm() / way.norm())
        print(f"moments in 8 bits: {apart:.4f} of the way apart after 50 steps")
        self.assertTrue(0 < apart < 0.05, apart)

    def test_a_checkpoint_holds_8_bits_and_no_pickle_and_a_resume_ends_in_the_same_bits(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            folder = os.path.join(parent, "a1-step-7")
            first = Training(in_8_bits)
            first.steps(7)
            first.state.dump(folder)
            self.assertEqual(sorted(os.listdir(folder)), ["counters.json", "manifest.json", "state.safetensors"])
            with open(os.path.join(folder, "counters.json"), encoding="utf-8") as file:
                self.assertEqual(json.load(file)["optimizerStep"], 7)
            files = read_tensors(folder)
            kinds = {name: files.read(name).dtype for name in files.names}
            self.assertEqual(kinds["adam.first/up_proj.weight"], torch.uint8)
            self.assertEqual(kinds["adam.second.largest/up_proj.weight"], torch.float32)
            self.assertEqual(kinds["adam.first/embed_tokens.weight"], torch.float32)

            second = Training(in_8_bits)
            second.state.load(folder, lambda counters: None)
            expected, found = first.steps(9), second.steps(9)
            for name in shapes:
                self.assertTrue(torch.equal(expected[name], found[name]), name)

            other = Training(settings)
            with self.assertRaises(EngineError) as caught:
                other.state.load(folder, lambda counters: None)
            self.assertEqual(caught.exception.code, "checkpoint-mismatch")

    def test_the_state_is_a_quarter_where_it_is_in_8_bits(self) -> None:
        whole, packed = Training(settings).state, Training(in_8_bits).state
        large = 192 * 64
        saved = whole.bytes_of("adam.") - packed.bytes_of("adam.")
        self.assertEqual(saved, 8 * large - (2 * large + 8 * large // 256))


class Kinds(unittest.TestCase):
    def test_a_tensor_of_another_kind_is_refused_by_both_kinds(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            folder = os.path.join(parent, "a1-step-1")
            one, other = StateStore(), StateStore()
            one.add("adam.first/x", torch.zeros(4, dtype=torch.uint8))
            one.dump(folder)
            other.add("adam.first/x", torch.zeros(4))
            with self.assertRaises(EngineError) as caught:
                other.load(folder, lambda counters: None)
            self.assertIn("is uint8 [4] instead of float32 [4]", caught.exception.message)


if __name__ == "__main__":
    unittest.main()

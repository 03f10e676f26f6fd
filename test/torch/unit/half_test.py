"""f16: a scaled loss has the gradients of the loss, what overflows is skipped and told, and the scale is part of the state."""

import tempfile
import unittest

import numpy as np
import torch
import transformers

from torch_engine.batch import Tokens, make_batch
from torch_engine.model.loss_scale import LossScale, calm_steps, first, largest
from torch_engine.model.open_tuning_model import open_tuning_model
from torch_engine.model.precision import choose_precision
from torch_engine.state.state_store import StateStore

train = {
    "weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0,
    "seed": 1, "micro_batch_size": 8, "max_length": 64,
}


class Scale(unittest.TestCase):
    def test_it_is_halved_by_an_overflow_and_doubled_after_long_calm_up_to_a_bound(self) -> None:
        scale = LossScale(StateStore())
        for _ in range(calm_steps - 1):
            scale.settle(True)
        self.assertEqual(scale.factor, first)
        scale.settle(True)
        self.assertEqual(scale.factor, 2 * first)
        scale.settle(False)
        self.assertEqual((scale.factor, scale.skipped), (first, 1))
        for _ in range(calm_steps - 1):
            scale.settle(True)
        self.assertEqual(scale.factor, first)
        for _ in range(20 * calm_steps):
            scale.settle(True)
        self.assertEqual((scale.factor, scale.skipped), (largest, 1))

    def test_a_resume_finds_scale_calm_and_count_again(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            state, other = StateStore(), StateStore()
            scale, found = LossScale(state), LossScale(other)
            for is_finite in [True] * 3 + [False] + [True] * 5:
                scale.settle(is_finite)
            state.dump(f"{parent}/a1-step-9")
            other.load(f"{parent}/a1-step-9", lambda counters: None)
            self.assertEqual((found.factor, found.skipped), (first / 2, 1))
            for _ in range(calm_steps - 5):
                found.settle(True)
            self.assertEqual(found.factor, first)


class Steps(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        torch.manual_seed(2)
        config = transformers.LlamaConfig(
            vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, tie_word_embeddings=True
        )
        transformers.LlamaForCausalLM(config).save_pretrained(self.folder)
        rows = [[Tokens(np.arange(3 + i, 43 + i), np.ones(40, np.uint8))] for i in range(8)]
        self.batch = make_batch(rows)

    def open(self, precision: str):
        recipe = {"train": {**train, "precision": precision}, "method": {}}
        return open_tuning_model(self.folder, recipe, choose_precision(recipe))

    def gradients(self, precision: str, factor: float | None = None) -> torch.Tensor:
        model = self.open(precision)
        if factor:
            model.state._tensors["loss.scale"][0] = factor
        before = {}
        optimizer = model._parts.optimizer
        optimizer.step = lambda rate: before.update({n: p.grad.clone() for n, p in model.trained.items()}) or torch.tensor(1.0)
        model.step([self.batch], 1e-3)
        return torch.cat([gradient.flatten() for gradient in before.values()])

    def test_gradients_are_those_of_f32_where_the_loss_is_scaled_and_fade_where_it_is_not(self) -> None:
        exact = self.gradients("f32")
        apart = lambda other: float((other - exact).norm() / exact.norm())  # noqa: E731
        scaled, faded = apart(self.gradients("f16", first)), apart(self.gradients("f16", 2.0**-8))
        print(f"gradients in f16: {scaled:.5f} apart from f32 with a scaled loss, {faded:.5f} without")
        self.assertLess(scaled, 5e-3)
        self.assertGreater(faded, 3 * scaled)

    def test_a_step_that_overflows_changes_nothing_but_the_scale_and_is_told(self) -> None:
        model = self.open("f16")
        model.state._tensors["loss.scale"][0] = 2.0**70
        before = {name: p.detach().clone() for name, p in model.trained.items()}
        told = model.step([self.batch], 1e-2)
        self.assertTrue(told.is_skipped and not np.isfinite(told.gradient_norm) and np.isfinite(told.loss))
        self.assertEqual((told.loss_scale, told.skipped_steps, model.state.optimizer_step), (2.0**70, 1, 0))
        for name, p in model.trained.items():
            self.assertTrue(torch.equal(p, before[name]), name)
        model.state._tensors["loss.scale"][0] = first
        told = model.step([self.batch], 1e-2)
        self.assertEqual((told.is_skipped, told.skipped_steps, model.state.optimizer_step), (False, 1, 1))
        self.assertTrue(all(p.dtype == torch.float32 for p in model.trained.values()))

    def test_other_formats_have_no_scale(self) -> None:
        for precision in ("f32", "bf16"):
            told = self.open(precision).step([self.batch], 1e-3)
            self.assertEqual((told.loss_scale, told.is_skipped), (None, False))


if __name__ == "__main__":
    unittest.main()

"""The base's part of a KL is computed once: the numbers are those of computing it anew, and it is kept only while small."""

import unittest

import numpy as np

from tiny_llama import save_tiny_llama
from torch_engine.batch import Tokens, make_batch
from torch_engine.evaluate import evaluator
from torch_engine.evaluate.evaluator import Evaluator
from torch_engine.evaluate.model_pair import ModelPair
from torch_engine.model.open_tuning_model import open_tuning_model
from torch_engine.model.precision import choose_precision

train = {"weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0, "seed": 1}
lora = {"type": "lora", "r": 2, "alpha": 4, "target_modules": ["v_proj", "down_proj"], "output": "adapter"}


class BaseStates(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = save_tiny_llama(self)
        ids = np.random.default_rng(1).integers(3, 60, (4, 12), dtype=np.int32)
        self.rows = [[Tokens(row, np.ones(12, np.uint8))] for row in ids]
        self.addCleanup(setattr, evaluator, "most_kept", evaluator.most_kept)

    def evaluator(self, changes: dict) -> Evaluator:
        recipe = {"train": train, "method": {}, **changes}
        model = open_tuning_model(self.folder, recipe, choose_precision(recipe))
        nothing = type("Prepared", (), {"sets": []})()
        return Evaluator(ModelPair(model), nothing, self.rows, 1, 1, "", "", "", lambda *_: None)

    def test_kept_or_not_the_divergence_is_the_same_after_every_step(self) -> None:
        for changes in ({}, {"adapter": lora}):
            found = {}
            for most in (0, 2**20):
                evaluator.most_kept = most
                own = self.evaluator(changes)
                found[most] = []
                for _ in range(3):
                    found[most].append(own._compare("train", self.rows).divergence)
                    own.pair._tuned.step([make_batch(self.rows)], 0.1)
                self.assertEqual(len(own._states), 1 if most else 0)
            with self.subTest(changes=changes):
                self.assertEqual(found[0], found[2**20])
                self.assertLess(abs(found[0][0]), 1e-7)
                self.assertGreater(found[0][2], 1e-5)


if __name__ == "__main__":
    unittest.main()

"""Which token is drawn."""

from __future__ import annotations

import unittest

import torch

from torch_engine.engine_error import EngineError
from torch_engine.evaluate.pick_token import pick_tokens

likely = torch.tensor([0.1, 0.5, 0.1, 0.3]).log()


class PickTokens(unittest.TestCase):
    def test_tokens_come_in_the_order_of_the_vocabulary_as_wide_as_they_are_likely(self) -> None:
        uniforms = [0.0, 0.09, 0.11, 0.59, 0.61, 0.69, 0.71, 0.999]
        self.assertEqual(pick_tokens(likely.expand(8, -1), uniforms), [0, 0, 1, 1, 2, 2, 3, 3])

    def test_top_p_keeps_the_likeliest_that_together_have_it_of_equals_the_first(self) -> None:
        uniforms = [i / 100 for i in range(100)]
        rows = likely.expand(100, -1)
        for top_p, expected in ((0.4, {1}), (0.7, {1, 3}), (0.85, {0, 1, 3}), (1.0, {0, 1, 2, 3})):
            self.assertEqual(set(pick_tokens(rows, uniforms, top_p=top_p)), expected)

    def test_temperature_0_takes_the_likeliest_and_2_flattens(self) -> None:
        self.assertEqual(pick_tokens(likely[None], [0.99], temperature=0), [1])
        uniforms = [i / 1000 for i in range(1000)]
        drawn = pick_tokens(likely.expand(1000, -1), uniforms, temperature=2)
        flat = likely.div(2).softmax(-1)
        for token in range(4):
            self.assertAlmostEqual(drawn.count(token) / 1000, float(flat[token]), delta=0.002)

    def test_what_is_not_finite_is_refused(self) -> None:
        with self.assertRaises(EngineError):
            pick_tokens(torch.tensor([[0.0, float("nan")]]), [0.5])

    def test_an_impossible_token_is_never_drawn(self) -> None:
        logits = torch.tensor([[0.0, float("-inf")]])
        self.assertEqual(pick_tokens(logits, [0.9999999999]), [0])


if __name__ == "__main__":
    unittest.main()

"""Compiled layers: where nothing can be compiled the run goes on and says why; padding changes nothing that is learned."""

import unittest
from unittest import mock

import numpy as np

from torch_engine.batch import Tokens, ignored_label, make_batch
from torch_engine.model import compiling
from torch_engine.model.open_tuning_model import is_compiled
from torch_engine.model.precision import choose_precision


class Fault(unittest.TestCase):
    def setUp(self) -> None:
        compiling.fault.cache_clear()
        self.addCleanup(compiling.fault.cache_clear)

    def test_a_machine_without_a_compiler_is_told_in_words_and_nothing_is_compiled(self) -> None:
        recipe = {"train": {"torch_compile": True}}
        precision = choose_precision(recipe)
        for error, words in (
            (RuntimeError("No working C++ compiler found in g++"), "no C++ compiler is at hand"),
            (RuntimeError("Cannot find a working triton installation"), "Triton is not installed"),
            (ValueError("odd\nthings"), "ValueError: odd"),
        ):
            compiling.fault.cache_clear()
            with mock.patch("torch.compile", side_effect=error):
                self.assertFalse(is_compiled(recipe, precision))
                self.assertEqual(compiling.fault(precision.device.type), words)

    def test_nothing_is_tried_that_was_not_asked_for(self) -> None:
        recipe = {"train": {}}
        with mock.patch("torch.compile", side_effect=AssertionError):
            self.assertFalse(is_compiled(recipe, choose_precision(recipe)))


class Lengths(unittest.TestCase):
    def test_rows_take_at_most_four_lengths_in_multiples_of_eight(self) -> None:
        for longest in (2, 8, 31, 64, 100, 2048):
            step = compiling.length_step(longest)
            taken = {make_batch([[Tokens(np.ones(n, np.int32), np.ones(n, np.uint8))]]).padded(step).length for n in range(2, longest + 1)}
            self.assertTrue(len(taken) <= 4 and all(length % 8 == 0 for length in taken), (longest, taken))

    def test_what_is_padded_is_read_by_nobody_and_counts_on(self) -> None:
        one = Tokens(np.array([5, 6, 7], np.int32), np.array([1, 1, 1], np.uint8))
        batch = make_batch([[one, one], [one]])
        padded = batch.padded(16)
        self.assertEqual((padded.length, padded.tokens, padded.is_packed), (16, batch.tokens, True))
        self.assertEqual(padded.labels[:, 8:].unique().tolist(), [ignored_label])
        self.assertEqual(padded.positions[0].tolist(), [0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
        self.assertIs(batch.padded(8), batch)


if __name__ == "__main__":
    unittest.main()

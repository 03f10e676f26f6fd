"""Attention: which one is taken is said with its reason, and documents packed into one row do not see each other."""

import tempfile
import unittest

import numpy as np
import torch
import transformers

from torch_engine.batch import Tokens, make_batch
from torch_engine.model.open_tuning_model import open_tuning_model
from torch_engine.model.precision import choose_precision

train = {"weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0, "seed": 1}
recipe = {"train": train, "method": {}}


class Attention(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        torch.manual_seed(4)
        config = transformers.Qwen3Config(
            vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=16
        )
        transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(temporary.name)
        cls.model = open_tuning_model(temporary.name, recipe, choose_precision(recipe))

    def test_torchs_own_is_taken_and_said_with_the_reason(self) -> None:
        self.assertRegex(self.model.attention_in_words, "^sdpa: torch's own.* a mask where packed documents are held apart$")

    def test_documents_in_one_row_score_as_they_do_alone_in_several_rows_at_once(self) -> None:
        texts = [Tokens(np.arange(start, start + size), np.ones(size, np.uint8)) for start, size in ((3, 9), (40, 14), (90, 7), (7, 11))]
        packed = self.model.score(make_batch([texts[:2], texts[2:]]), "tuned")
        alone = self.model.score(make_batch([[text] for text in texts]), "tuned")
        for row, first, second in ((0, 0, 1), (1, 2, 3)):
            border = len(texts[first])
            for at, text in ((0, first), (border, second)):
                size = len(texts[text]) - 1
                apart = np.abs(packed[row, at : at + size] - alone[text, :size]).max()
                self.assertLess(apart, 1e-5)
        # Unpacked the same tokens see what stands before them: borders are not told by ids.
        joined = Tokens(np.concatenate([text.ids for text in texts[:2]]), np.ones(23, np.uint8))
        seen = self.model.score(make_batch([[joined]]), "tuned")[0, 9:22]
        self.assertGreater(np.abs(seen - alone[1, :13]).max(), 1e-4)


if __name__ == "__main__":
    unittest.main()

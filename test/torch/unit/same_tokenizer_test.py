"""Which tokenizer files are taken for one that reads as the prepared data have it."""

import os
import tempfile
import unittest

import tokenizers
from tokenizers import models, pre_tokenizers

from torch_engine.engine_error import EngineError
from torch_engine.same_tokenizer import refuse_other_reading


class SameTokenizer(unittest.TestCase):
    def test_padding_and_truncation_in_the_file_are_no_other_reading_and_another_id_is(self) -> None:
        tokenizer = tokenizers.Tokenizer(models.WordLevel({"<pad>": 0, "a": 1, "b": 2, "c": 3}, unk_token="<pad>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.enable_padding(length=8)
        tokenizer.enable_truncation(2)
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save(os.path.join(folder, "tokenizer.json"))
            refuse_other_reading(folder, [{"text": "a b c", "ids": [1, 2, 3]}, {"text": "", "ids": []}])
            for ids in ([1, 3, 3], [1, 2], [1, 2, 3, 3]):
                with self.subTest(ids=ids), self.assertRaises(EngineError) as caught:
                    refuse_other_reading(folder, [{"text": "a b c", "ids": ids}])
                self.assertEqual(caught.exception.code, "tokenizer-differs")


if __name__ == "__main__":
    unittest.main()

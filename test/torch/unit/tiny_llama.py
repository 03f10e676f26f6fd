"""The smallest Llama that the tests of evaluation need: random weights, in a folder as transformers saves it."""

import shutil
import tempfile
import unittest

import torch
import transformers


def save_tiny_llama(test: unittest.TestCase) -> str:
    """The folder goes with the test."""
    folder = tempfile.mkdtemp()
    test.addCleanup(shutil.rmtree, folder)
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=60, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, tie_word_embeddings=True
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder

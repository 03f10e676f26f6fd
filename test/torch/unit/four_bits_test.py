"""A base in 4 bits: what is held is the file's nearest, what is counted are weights, and the check before the first step sees both."""

import sys
import tempfile
import unittest
from unittest import mock

import torch
import transformers

from torch_engine.batch import Tokens, make_batch
from torch_engine.engine_error import EngineError
from torch_engine.evaluate.step_zero import _check_precision, _rounding_fault
from torch_engine.model import four_bits
from torch_engine.model.bits_and_bytes import require_bitsandbytes, version
from torch_engine.model.memory_sizes import ModelSizes
from torch_engine.model.open_tuning_model import open_tuning_model
from torch_engine.model.precision import choose_precision
from torch_engine.open_run import memory_needed
from torch_engine.out_of_memory import savings, settings_that_fit
from torch_engine.protocol import Start
from torch_engine.weights.safetensors import TensorFiles

import numpy as np

missing = "bitsandbytes is not installed"
train = {
    "weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0,
    "seed": 1, "micro_batch_size": 8, "max_length": 64,
}
adapter = {"type": "lora", "r": 4, "alpha": 8, "target_modules": ["q_proj", "v_proj"], "load_in_4bit": True, "output": "adapter"}
recipe = {"train": train, "method": {}, "adapter": adapter}


class Missing(unittest.TestCase):
    def test_a_python_without_bitsandbytes_is_named_with_the_command_that_mends_it(self) -> None:
        with mock.patch.dict(sys.modules, {"bitsandbytes": None}), self.assertRaises(EngineError) as caught:
            require_bitsandbytes("adapter.load_in_4bit")
        self.assertEqual(caught.exception.code, "bitsandbytes-missing")
        self.assertIn("adapter.load_in_4bit needs bitsandbytes", caught.exception.message)
        self.assertIn(f"{sys.executable} -m pip install", caught.exception.remedy)


@unittest.skipIf(version() is None, missing)
class FourBits(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = cls.temporary.name
        torch.manual_seed(5)
        # Biases, and maps that are not square.
        config = transformers.Qwen2Config(
            vocab_size=300, hidden_size=128, intermediate_size=192, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True
        )
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
        model.save_pretrained(cls.folder)
        cls.plain = model.eval()

    def open(self, **changed) -> object:
        own = {**recipe, "train": {**train, **changed}}
        return open_tuning_model(self.folder, own, choose_precision(own))

    def test_the_maps_of_the_layers_are_packed_and_nothing_else(self) -> None:
        held = self.open().own_parameters()
        packed = {name.rpartition(".")[0].rpartition(".")[2] for name, p in held.items() if four_bits.is_packed(p)}
        self.assertEqual(packed, {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})
        self.assertTrue(torch.equal(held["model.embed_tokens.weight"], self.plain.model.embed_tokens.weight))

    def test_parameters_are_counted_as_weights(self) -> None:
        model = self.open()
        self.assertEqual(model.parameters, sum(p.numel() for p in self.plain.parameters()))
        self.assertEqual(model.trained_parameters, 2 * 4 * (128 + 128 + 128 + 64))

    def test_a_packed_model_computes_what_its_unpacked_values_compute(self) -> None:
        model = self.open()
        reference = transformers.AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()
        own = dict(reference.named_parameters())
        with torch.no_grad():
            for name, p in model.own_parameters().items():
                if four_bits.is_packed(p):
                    own[name].copy_(four_bits.unpacked(p))
        batch = make_batch([[Tokens(np.arange(3, 23), np.ones(20, np.uint8))]])
        with torch.no_grad():
            expected, whole = reference(input_ids=batch.ids).logits, self.plain(input_ids=batch.ids).logits
        for which in ("base", "tuned"):
            found = torch.from_numpy(model.logits(batch, which))
            self.assertLess(float((found - expected).abs().max()), 1e-5)
        self.assertGreater(float((expected - whole).abs().max()), 1e-3)

    def test_scoring_leaves_the_weights_as_they_are(self) -> None:
        model = self.open()
        batch = make_batch([[Tokens(np.arange(3, 23), np.ones(20, np.uint8))]])
        before = {name: p.data.clone() for name, p in model.own_parameters().items()}
        first = model.score(batch, "base")
        model.step([batch], 1e-3)
        self.assertTrue((model.score(batch, "base") == first).all())
        for name, p in model.own_parameters().items():
            self.assertTrue(torch.equal(p.data, before[name]), name)

    def test_the_precision_check_takes_the_nearest_4_bits_of_the_file_and_nothing_else(self) -> None:
        files = TensorFiles(self.folder)
        for precision in ("f32", "bf16"):
            model = self.open(precision=precision)
            model.score(make_batch([[Tokens(np.arange(3, 23), np.ones(20, np.uint8))]]), "base")
            found = _check_precision(model, files)
            self.assertEqual(found["status"], "ok", found)
            self.assertRegex(found["detail"], r"^\d+ tensors equal those of the file, \d+ are those of the file rounded to 4 bits$")
        packed = model.own_parameters()["model.layers.0.mlp.down_proj.weight"]
        packed.data[7] ^= 0x80
        self.assertEqual(_check_precision(model, files)["status"], "failed")

    def test_the_rounding_of_another_tensor_is_no_rounding_of_this_one(self) -> None:
        model, name = self.open(), "model.layers.0.mlp.gate_proj.weight"
        values, file = four_bits.unpacked(model.own_parameters()[name]), TensorFiles(self.folder).read(name)
        self.assertIsNone(_rounding_fault(name, values, file))
        for wrong in (values.flip(0), values * 1.1, values + 0.01, values.T):
            self.assertIn(name, _rounding_fault(name, wrong, file))

    def test_an_estimate_without_the_model_is_that_of_the_open_model_and_is_less_than_that_of_a_whole_base(self) -> None:
        sizes, model = ModelSizes(self.folder), self.open()
        start = Start("train", 1, {"model": "m", **recipe}, {"m": self.folder}, {}, None, None, None, False)
        self.assertEqual(sizes.bytes_for(recipe), memory_needed(start, model))
        whole = {**recipe, "adapter": {**adapter, "load_in_4bit": False}}
        packed = sum(four_bits.count_of(p) for p in model.own_parameters().values() if four_bits.is_packed(p))
        unpacked_at_once = 128 * 192 * 4
        saved = sizes.bytes_for(whole) - sizes.bytes_for(recipe) + unpacked_at_once
        held = sum(p.data.nbytes for p in model.own_parameters().values() if four_bits.is_packed(p))
        self.assertGreater(held / packed, 0.49)
        self.assertAlmostEqual(saved / packed, 4 - 0.516, places=2)

    def test_where_memory_is_short_4_bits_are_offered_to_an_adapter_that_is_not_merged(self) -> None:
        whole = {**recipe, "adapter": {**adapter, "load_in_4bit": False}}
        offered = lambda changed: [each.setting for each in savings(changed)]  # noqa: E731
        self.assertIn("adapter.load_in_4bit: true", offered(whole))
        self.assertNotIn("adapter.load_in_4bit: true", offered(recipe))
        self.assertNotIn("adapter.load_in_4bit: true", offered({**whole, "adapter": {**adapter, "load_in_4bit": False, "output": "merged"}}))
        self.assertIn("adapter: { type: lora, load_in_4bit: true }", offered({**recipe, "adapter": None}))
        sizes = ModelSizes(self.folder)
        text = settings_that_fit(whole, sizes.bytes_for, sizes.bytes_for(whole) - 1)
        self.assertRegex(text, r"adapter\.load_in_4bit: true \(\d+ MB, the base rounded to 4 bits, needs bitsandbytes\)")


if __name__ == "__main__":
    unittest.main()

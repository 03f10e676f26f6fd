"""What is opened and what is refused: folders of models as people have them, broken and hostile ones too."""

import json
import os
import shutil
import tempfile
import unittest

import torch
import transformers

from torch_engine.engine_error import EngineError
from torch_engine.model.load_model import head_of, load_model
from torch_engine.model.precision import choose_precision
from torch_engine.weights.safetensors import TensorFiles, TensorInfo, write_safetensors

config = transformers.LlamaConfig(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=32,
    pad_token_id=0,
)
on_cpu = choose_precision({"train": {}})


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(1)
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.model = transformers.LlamaForCausalLM(config)
        self.model.save_pretrained(self.folder)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def change_config(self, **changes) -> None:
        with open(self.path("config.json"), encoding="utf-8") as file:
            known = json.load(file)
        with open(self.path("config.json"), "w", encoding="utf-8") as file:
            json.dump({**known, **changes}, file)

    def code_of_refusal(self) -> str:
        with self.assertRaises(EngineError) as caught:
            load_model(self.folder, on_cpu)
        self.assertTrue(caught.exception.remedy)
        return caught.exception.code


class Refusals(Folder):
    def test_weights_that_are_pickles_are_not_opened(self) -> None:
        os.remove(self.path("model.safetensors"))
        # Opening it would make the folder "opened".
        marker = self.path("opened")
        with open(self.path("pytorch_model.bin"), "wb") as file:
            file.write(b"cos\nmkdir\n(V" + marker.encode() + b"\ntR.")
        self.assertEqual(self.code_of_refusal(), "model-pickle")
        self.assertFalse(os.path.exists(marker))

    def test_code_that_comes_with_a_model_is_not_run(self) -> None:
        with open(self.path("evil.py"), "w", encoding="utf-8") as file:
            file.write(f"open({self.path('ran')!r}, 'w')\n")
        self.change_config(model_type="evil", auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"})
        self.assertEqual(self.code_of_refusal(), "remote-code")
        self.assertFalse(os.path.exists(self.path("ran")))

    def test_a_missing_tensor_is_not_made_up(self) -> None:
        files = TensorFiles(self.folder)
        kept = [n for n in files.names if "up_proj" not in n]
        tensors = {name: files.read(name).clone() for name in kept}
        infos = [TensorInfo(name, tuple(t.shape), t.dtype) for name, t in tensors.items()]
        write_safetensors(self.path("model.safetensors"), infos, tensors.__getitem__)
        self.assertEqual(self.code_of_refusal(), "model-mismatch")

    def test_a_cut_file_of_weights_is_refused(self) -> None:
        size = os.path.getsize(self.path("model.safetensors"))
        os.truncate(self.path("model.safetensors"), size - 8)
        self.assertEqual(self.code_of_refusal(), "weights-unreadable")

    def test_quantized_weights_and_folders_without_a_model_are_refused(self) -> None:
        self.change_config(quantization_config={"quant_method": "gptq", "bits": 4})
        self.assertEqual(self.code_of_refusal(), "model-unsupported")
        os.remove(self.path("config.json"))
        self.assertEqual(self.code_of_refusal(), "model-not-found")


class Opening(Folder):
    def test_the_file_is_held_bit_for_bit_and_nothing_trains_by_itself(self) -> None:
        model, files = load_model(self.folder, on_cpu), TensorFiles(self.folder)
        for name, parameter in model.named_parameters():
            self.assertTrue(torch.equal(parameter, files.read(name)), name)
            self.assertFalse(parameter.requires_grad)

    def test_the_padding_token_learns_where_it_is_a_token_of_the_text(self) -> None:
        model = load_model(self.folder, on_cpu).requires_grad_(True)
        model(input_ids=torch.tensor([[0, 5, 6]])).logits.sum().backward()
        self.assertGreater(model.get_input_embeddings().weight.grad[0].abs().max().item(), 0)

    def test_soft_capped_and_scaled_heads_are_understood_or_refused(self) -> None:
        small = {key: getattr(config, key) for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")}
        for kind, more in ((transformers.Gemma2Config, {"head_dim": 8}), (transformers.GraniteConfig, {"logits_scaling": 4.0})):
            with self.subTest(kind=kind.__name__):
                model = transformers.AutoModelForCausalLM.from_config(kind(**small, num_key_value_heads=1, **more)).eval()
                self.assertNotEqual((head_of(model).scale, head_of(model).softcap), (1.0, None))
        self.model.lm_head.register_forward_hook(lambda *args: args[2] ** 3)
        with self.assertRaises(EngineError):
            head_of(self.model)


if __name__ == "__main__":
    unittest.main()

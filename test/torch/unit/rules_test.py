"""Small rules: what stays of checkpoints, what trains, what a memory failure suggests, which lines are commands."""

import json
import os
import shutil
import tempfile
import unittest

import numpy as np
import torch
import transformers

from torch_engine.atomic_file import write_folder
from torch_engine.batch import Tokens, make_batch
from torch_engine.checkpoints import CheckpointName, Checkpoints, Progress, expendable, is_better, score_of
from torch_engine.data.random_streams import RandomStream
from torch_engine.engine_error import EngineError
from torch_engine.methods.narrow import narrowed_names
from torch_engine.model.memory_sizes import ModelSizes
from torch_engine.model.open_tuning_model import open_tuning_model
from torch_engine.model.precision import choose_precision, use_deterministic
from torch_engine.open_run import memory_needed
from torch_engine.out_of_memory import named, savings, settings_that_fit
from torch_engine.protocol import NotProtocol, Start, decode_command, encode_line, travelling
from torch_engine.state.state_store import StateStore
from torch_engine.weights.safetensors import TensorInfo, write_safetensors

adam = {"weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0, "seed": 1}

llama = {
    "model.embed_tokens.weight": 2,
    **{
        f"model.layers.{layer}.{name}.weight": axes
        for layer in range(2)
        for name, axes in {
            "input_layernorm": 1,
            "self_attn.q_proj": 2,
            "self_attn.o_proj": 2,
            "self_attn.q_norm": 1,
            "mlp.gate_proj": 2,
            "mlp.down_proj": 2,
        }.items()
    },
    "model.layers.1.self_attn.q_proj.bias": 1,
    "model.norm.weight": 1,
}


class Narrow(unittest.TestCase):
    def test_attention_is_its_linear_maps_with_their_biases_and_no_norm(self) -> None:
        self.assertEqual(
            [name.removeprefix("model.layers.") for name in narrowed_names(llama, ["attention"])],
            [
                "0.self_attn.q_proj.weight",
                "0.self_attn.o_proj.weight",
                "1.self_attn.q_proj.weight",
                "1.self_attn.o_proj.weight",
                "1.self_attn.q_proj.bias",
            ],
        )

    def test_entries_unite_and_a_tied_head_is_the_embedding(self) -> None:
        chosen = narrowed_names(llama, ["lm_head", "gate_proj", {"last_layers": 1}])
        self.assertEqual(chosen[:2], ["model.embed_tokens.weight", "model.layers.0.mlp.gate_proj.weight"])
        self.assertEqual(len(chosen), 2 + 7)

    def test_an_unknown_module_is_refused_with_the_nearest_name(self) -> None:
        for entry in ("gate_porj", {"last_layers": 3}):
            with self.assertRaises(EngineError) as caught:
                narrowed_names(llama, [entry])
            self.assertEqual(caught.exception.code, "unknown-module")
        self.assertIn("last_layers at most 2", caught.exception.remedy)


class Deterministic(unittest.TestCase):
    def test_only_on_request(self) -> None:
        self.addCleanup(torch.use_deterministic_algorithms, False)
        self.addCleanup(torch.backends.cuda.enable_mem_efficient_sdp, True)
        use_deterministic({"train": {}})
        self.assertFalse(torch.are_deterministic_algorithms_enabled())
        use_deterministic({"train": {"deterministic": True}})
        self.assertTrue(torch.are_deterministic_algorithms_enabled())
        self.assertFalse(torch.backends.cuda.mem_efficient_sdp_enabled())
        self.assertEqual(os.environ.pop("CUBLAS_WORKSPACE_CONFIG"), ":4096:8")


class Retention(unittest.TestCase):
    def test_the_newest_stays_and_of_two_of_one_step_the_newer_attempt(self) -> None:
        made = [CheckpointName(step, attempt, f"a{attempt}-step-{step}") for attempt, step in [(1, 10), (1, 20), (2, 20), (2, 30), (2, 40)]]
        gone = lambda rule, best=None: [each.name for each in expendable(made, rule, best)]  # noqa: E731
        self.assertEqual(gone({"keep": ["last"]}), ["a1-step-10", "a1-step-20", "a2-step-20", "a2-step-30"])
        self.assertEqual(gone({"keep": ["best", "last"]}, 20), ["a1-step-10", "a1-step-20", "a2-step-30"])
        self.assertEqual(gone({"keep": ["last"], "keep_every": 10}), ["a1-step-20"])
        self.assertEqual(gone({"keep": ["all"]}), [])

    def test_what_may_go_goes_only_when_the_newest_reads_back_as_it_was_written(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            recipe = {"checkpoint": {"keep": ["best", "last"]}}
            start = Start("train", 2, recipe, {}, {"checkpoints": folder}, None, None, "a1-step-10", False)
            state = StateStore()
            state.add("w", torch.arange(3.0))
            for name in (".a1-step-9.tmp", "a1-step-10", "a1-step-30"):
                os.mkdir(os.path.join(folder, name))
            checkpoints = Checkpoints(start, from_step=10)
            left = lambda: sorted(os.listdir(folder))  # noqa: E731
            self.assertEqual(left(), ["a1-step-10", "a1-step-30"])
            for step in (20, 25):
                checkpoints.write(state, Progress(step), {})
            with open(os.path.join(folder, "a2-step-25", "state.safetensors"), "ab") as file:
                file.write(b"x")
            self.assertEqual(checkpoints.newest, "a2-step-25")
            checkpoints.remove_others(best_step=20)
            self.assertEqual(len(left()), 4)
            checkpoints.write(state, Progress(28), {})
            checkpoints.remove_others(best_step=20)
            self.assertEqual(left(), ["a2-step-20", "a2-step-28"])

    def test_what_the_user_asked_for_stays_whichever_attempt_goes_on(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            recipe = {"checkpoint": {"keep": ["last"]}}
            state = StateStore()
            state.add("w", torch.arange(3.0))
            first = Checkpoints(Start("train", 1, recipe, {}, {"checkpoints": folder}, None, None, None, False), 0)
            for step in (10, 20, 30):
                first.write(state, Progress(step), {})
                if step != 20:
                    first.keep(step)
            first.remove_others(best_step=None)
            left = lambda: sorted(os.listdir(folder))  # noqa: E731
            self.assertEqual(left(), ["a1-step-10", "a1-step-30"])
            resumed = Start("train", 2, recipe, {}, {"checkpoints": folder}, None, None, "a1-step-10", False)
            second = Checkpoints(resumed, from_step=10)
            for step in (12, 14):
                second.write(state, Progress(step), {})
            second.remove_others(best_step=None)
            self.assertEqual(left(), ["a1-step-10", "a1-step-30", "a2-step-14"])

    def test_better_is_first_what_forgets_within_its_budgets_then_what_learned_more(self) -> None:
        def evaluation(rise: float, drop: float, loss: float):
            item = lambda value, correct=True: {"loss": value, "tokens": 1, "correct": correct}  # noqa: E731
            right = round(100 - drop)
            return {
                "step": 5,
                "sets": {
                    "text": {"kind": "text", "budget": {"nats": 0.1}, "base": [item(1.0)], "tuned": [item(1.0 + rise)]},
                    "choice": {
                        "kind": "choice",
                        "budget": {"points": 5},
                        "base": [item(1.0)] * 100,
                        "tuned": [item(1.0, i < right) for i in range(100)],
                    },
                    "eval": {"kind": "learning", "base": [item(2.0)], "tuned": [item(loss)]},
                },
            }

        excess, loss = score_of(evaluation(0.3, 15, 1.5))
        self.assertAlmostEqual(excess, 0.2 + 0.1)
        self.assertEqual(loss, 1.5)
        best = Progress(best_step=1, best_excess=0.0, best_loss=1.2)
        self.assertTrue(is_better(score_of(evaluation(0.05, 5, 1.1)), best))
        self.assertFalse(is_better(score_of(evaluation(0.2, 0, 0.1)), best))


class Protocol(unittest.TestCase):
    def test_numbers_that_json_does_not_have_travel_as_null_and_are_named(self) -> None:
        self.assertEqual(
            travelling({"a": 1.0, "b": float("nan"), "c": float("-inf")}),
            {"metrics": {"a": 1.0, "b": None, "c": None}, "nonFinite": {"b": "nan", "c": "-inf"}},
        )
        with self.assertRaises(ValueError):
            encode_line({"type": "step", "metrics": {"loss": float("nan")}})

    def test_lines_that_are_no_commands_are_refused(self) -> None:
        outputs = dict.fromkeys(("checkpoints", "items", "samples", "model", "cache"), "/x")
        start = {"type": "start", "job": "train", "attempt": 1, "recipe": {}, "paths": {}, "outputs": outputs}
        self.assertIsInstance(decode_command(json.dumps(start)), Start)
        for change in ({"job": "dream"}, {"attempt": 0}, {"recipe": []}, {"outputs": {}}, {"threads": 0}, {"resume": {}}):
            with self.subTest(change=change), self.assertRaises(NotProtocol):
                decode_command(json.dumps({**start, **change}))
        for line in ("", "[]", "1", '{"type":"recorded"}', '{"type":"fly"}', "{"):
            with self.subTest(line=line), self.assertRaises(NotProtocol):
                decode_command(line)


class Batches(unittest.TestCase):
    def test_padding_counts_on_and_borders_of_documents_predict_nothing(self) -> None:
        one = Tokens(np.array([5, 6, 7], np.int32), np.array([1, 1, 1], np.uint8))
        two = Tokens(np.array([8, 9], np.int32), np.array([0, 1], np.uint8))
        batch = make_batch([[one, two], [two]])
        self.assertEqual(batch.ids.tolist(), [[5, 6, 7, 8, 9, 0, 0, 0], [8, 9, 0, 0, 0, 0, 0, 0]])
        self.assertEqual(batch.labels.tolist(), [[6, 7, -100, 9, *[-100] * 4], [9, *[-100] * 7]])
        self.assertEqual(batch.positions.tolist(), [[0, 1, 2, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5, 6, 7]])
        self.assertEqual((batch.tokens, batch.is_packed), (7, True))


class Streams(unittest.TestCase):
    def test_numbers_are_those_of_the_embedded_engine(self) -> None:
        # new RandomStream(7, 'adapter').uniform(i, 3) for i of 0, 1, 2, 3, 4, 1000
        numbers = RandomStream(7, "adapter").uniform(1001, 3)
        expected = [0.7108293804340065, 0.8220984523650259, 0.6433195141144097, 0.41614850028418005, 0.7110154894180596, 0.052065051859244704]
        self.assertEqual([numbers[i] for i in (0, 1, 2, 3, 4, 1000)], expected)


class Memory(unittest.TestCase):
    recipe = {"train": {"batch_size": 8, "micro_batch_size": 8, "max_length": 512}, "method": {}}

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        config = {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, "vocab_size": 1000}
        with open(os.path.join(self.folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        layer = {"self_attn.q_proj": (64, 64), "self_attn.v_proj": (32, 64), "mlp.up_proj": (128, 64)}
        names = {f"model.layers.{n}.{name}.weight": shape for n in range(2) for name, shape in layer.items()}
        shapes = {"model.embed_tokens.weight": (1000, 64), **names}
        infos = [TensorInfo(name, shape, torch.float16) for name, shape in shapes.items()]
        write_safetensors(os.path.join(self.folder, "model.safetensors"), infos, lambda name: torch.zeros(shapes[name]))

    def start(self, recipe: dict) -> Start:
        return Start("train", 1, {"model": "m", **recipe}, {"m": self.folder}, {}, None, None, None, False)

    def test_running_out_is_named_with_settings_and_what_they_need_by_the_models_own_sizes(self) -> None:
        error = named(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 3 bytes"), self.start(self.recipe))
        self.assertEqual(error.code, "out-of-memory")
        self.assertRegex(error.remedy, r"are there. By our estimate .*micro_batch_size: \d \(.+ [GM]B, the same result\)")
        self.assertIsNone(named(RuntimeError("shapes do not fit"), self.start(self.recipe)))

    def test_where_a_models_sizes_cannot_be_read_settings_are_named_without_numbers(self) -> None:
        os.remove(os.path.join(self.folder, "config.json"))
        self.assertRegex(named(MemoryError("x"), self.start(self.recipe)).remedy, "^Any of these.*adapter.*max_length: 256")

    def test_only_what_fits_is_named_the_greatest_gain_first_and_of_numbers_the_nearest_that_fits(self) -> None:
        sizes = ModelSizes(self.folder)
        need = sizes.bytes_for(self.recipe)
        half = {**self.recipe, "train": {**self.recipe["train"], "micro_batch_size": 4}}
        text = settings_that_fit(self.recipe, sizes.bytes_for, sizes.bytes_for(half) + 1)
        self.assertIn("train.micro_batch_size: 4 ", text)
        self.assertNotIn("narrow", text)  # Saves weights, of which this model has few.
        self.assertRegex(settings_that_fit(self.recipe, sizes.bytes_for, need), "gradient_checkpointing.*adapter")

    def test_what_fits_together_only_is_told_together_and_what_never_fits_is_told_too(self) -> None:
        sizes = ModelSizes(self.folder)
        everything = {
            **self.recipe,
            "adapter": {"type": "lora", "r": 8, "target_modules": ["q_proj", "v_proj"]},
            "train": {**self.recipe["train"], "micro_batch_size": 1, "max_length": 16, "gradient_checkpointing": True},
        }
        least = sizes.bytes_for(everything)
        self.assertRegex(settings_that_fit(self.recipe, sizes.bytes_for, least + 1), "together these do: .*; .*adapter")
        self.assertIn("take a smaller model", settings_that_fit(self.recipe, sizes.bytes_for, least // 2))

    def test_nothing_is_suggested_that_the_recipe_does_already(self) -> None:
        recipe = {**self.recipe, "adapter": {"r": 1, "load_in_4bit": True}, "train": {"optim": "adamw_8bit", "micro_batch_size": 1, "max_length": 32, "gradient_checkpointing": True}}
        self.assertEqual([saving.setting for saving in savings(recipe)], ["train.max_length: 16"])

    def test_an_estimate_without_the_model_is_that_of_the_open_model(self) -> None:
        adapter = {"type": "lora", "r": 8, "alpha": 16, "target_modules": ["q_proj", "v_proj"]}
        for change in ({}, {"adapter": adapter}, {"method": {"narrow": {"tune": ["attention"]}}}):
            with self.subTest(change=change), tempfile.TemporaryDirectory() as folder:
                recipe = {**self.recipe, **change, "train": {**self.recipe["train"], **adam}}
                config = transformers.LlamaConfig(
                    vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, tie_word_embeddings=True
                )
                transformers.LlamaForCausalLM(config).save_pretrained(folder)
                model = open_tuning_model(folder, recipe, choose_precision(recipe))
                self.assertEqual(ModelSizes(folder).bytes_for(recipe), memory_needed(self.start(recipe), model))


class Folders(unittest.TestCase):
    def test_a_folder_that_fails_half_way_leaves_nothing(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            def fill(folder: str) -> None:
                open(os.path.join(folder, "half"), "w").close()
                raise OSError(28, "No space left on device")

            with self.assertRaises(EngineError) as caught:
                write_folder(os.path.join(parent, "result"), fill)
            self.assertEqual(caught.exception.code, "disk-full")
            self.assertEqual(os.listdir(parent), [])


if __name__ == "__main__":
    unittest.main()

"""What an evaluation tells of a set is what scoring and comparing its items one by one gives, in fewer passes."""

import unittest

import numpy as np

from tiny_llama import save_tiny_llama
from torch_engine.batch import Tokens, make_batch
from torch_engine.evaluate import evaluator
from torch_engine.evaluate.evaluator import Evaluator
from torch_engine.evaluate.model_pair import ModelPair, divergence_of_logits
from torch_engine.model.open_tuning_model import open_tuning_model
from torch_engine.model.precision import choose_precision
from torch_engine.prepared import Item, ScoredSet

train = {"weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0, "seed": 1}
random = np.random.default_rng(1)


def sequence(length: int) -> Tokens:
    targets = np.ones(length, np.uint8)
    targets[0] = 0
    return Tokens(random.integers(3, 60, length, dtype=np.int32), targets)


def scored_set(name: str, kind: str, sequences: int, items: int = 7) -> ScoredSet:
    made = [Item(i + 1, [sequence(5 + i + j) for j in range(sequences)], 0, [4 + j for j in range(sequences)]) for i in range(items)]
    return ScoredSet(name, kind, "a file", name, False, None, made, [*range(1, items), 0])


class Evaluation(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = save_tiny_llama(self)
        recipe = {"train": train, "method": {}}
        self.model = open_tuning_model(self.folder, recipe, choose_precision(recipe))
        self.rows = [[sequence(9), sequence(4)], [sequence(12)]]
        self.model.step([make_batch(self.rows)], 0.05)
        self.addCleanup(setattr, evaluator, "kl_rows", evaluator.kl_rows)
        evaluator.kl_rows = 5

    def evaluate(self, sets: list[ScoredSet], items: int, final: bool, times: int = 1) -> dict:
        prepared = type("Prepared", (), {"sets": sets})()
        own = Evaluator(ModelPair(self.model), prepared, self.rows, items, 1, self.folder, "", self.folder, lambda *_: None)
        self.passes = 0
        hook = self.model.transformer.get_decoder().register_forward_hook(lambda *_: self.count())
        for _ in range(times):
            event = own.evaluate(1, final)
        hook.remove()
        return event

    def count(self) -> None:
        self.passes += 1

    def alone(self, which: str, each: Tokens) -> float:
        return float(self.model.score(make_batch([[each]]), which).sum())

    def test_scores_and_divergences_are_those_of_every_sequence_alone(self) -> None:
        sets = [scored_set("prose", "text", 2), scored_set("facts", "choice", 4), scored_set("held out", "learning", 1)]
        for items, final in ((3, False), (6, False), (3, True)):
            event = self.evaluate(sets, items, final)
            for each in sets:
                places = range(7) if final else each.order[:items]
                for who in ("base", "tuned"):
                    told = [score["loss"] for score in event["sets"][each.name][who]]
                    of = lambda item: item.sequences if each.kind == "text" else item.sequences[:1]  # noqa: E731
                    wanted = [
                        sum(self.alone(who, s) for s in of(each.items[place])) / sum(len(s) - 1 for s in of(each.items[place]))
                        for place in places
                    ]
                    np.testing.assert_allclose(told, wanted, rtol=1e-5, err_msg=f"{each.name}, {who}")
            self.assertEqual(list(event["kl"]), ["train", "prose", "facts"])
            self.assertAlmostEqual(event["kl"]["train"], self.divergence(self.rows), places=6)
            for each in sets[:2]:
                rows = [[each.items[place].sequences[0]] for place in each.order[:5]]
                self.assertAlmostEqual(event["kl"][each.name], self.divergence(rows), places=6)

    def divergence(self, rows: list) -> float:
        total, tokens = 0.0, 0
        for row in rows:
            batch = make_batch([row])
            where = batch.labels[0].numpy() >= 0
            base, tuned = (self.model.logits(batch, which)[0][where] for which in ("base", "tuned"))
            total += float(divergence_of_logits(base, tuned).sum())
            tokens += int(where.sum())
        return total / tokens

    def test_a_set_whose_items_are_compared_takes_one_pass_of_the_tuned_model_and_its_base_none_again(self) -> None:
        sets = [scored_set("prose", "text", 1)]
        self.evaluate(sets, 5, False)
        first = self.passes
        self.evaluate(sets, 5, False, times=2)
        # The base's scores are in the cache: its states of rows and items, then two passes a point.
        self.assertEqual((first, self.passes), (5, 2 + 2 * 2))


if __name__ == "__main__":
    unittest.main()

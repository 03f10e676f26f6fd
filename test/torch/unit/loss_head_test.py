"""The loss head beside plain autograd in f64, which holds all logits."""

import unittest

import torch

from torch_engine.model import loss_head
from torch_engine.model.loss_head import Head, Teacher, losses, token_comparisons, token_losses

tokens, width, vocabulary = 150, 8, 23


def case(dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    make = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    hidden, weight, hidden0, weight0 = make(tokens, width), make(vocabulary, width), make(tokens, width), make(vocabulary, width)
    labels = torch.randint(vocabulary, (tokens,), generator=generator)
    weights, ratio = torch.rand(tokens, generator=generator), torch.rand(tokens, generator=generator)
    tensors = [t.to(dtype) for t in (hidden, weight, hidden0, weight0)]
    return *tensors, labels, weights.to(dtype), ratio.to(dtype)


def reference(hidden, head, labels, weights, teacher):
    """The formulas as they are written, over all logits at once."""
    z = head.scale * (hidden @ head.weight_VD.T) + (0 if head.bias_V is None else head.bias_V)
    z = z if head.softcap is None else head.softcap * torch.tanh(z / head.softcap)
    per_token = -z.log_softmax(-1).gather(-1, labels[:, None])[:, 0]
    if teacher is not None:
        z0 = teacher.hidden_ND @ teacher.head.weight_VD.T
        p, p0 = (z / teacher.temperature).log_softmax(-1), (z0 / teacher.temperature).log_softmax(-1)
        kl = p0.exp() * (p0 - p) if teacher.direction == "forward" else p.exp() * (p - p0)
        per_token = per_token + teacher.ratio_N * kl.sum(-1)
    return (weights * per_token).sum()


class LossHead(unittest.TestCase):
    def setUp(self) -> None:
        for table in (loss_head.chunk_cells, loss_head.least_tokens, loss_head.block_cells):
            self.addCleanup(table.update, dict(table))
        loss_head.chunk_cells["cpu"] = 64 * vocabulary  # Three chunks, the last one short.
        loss_head.least_tokens["cpu"] = 64
        loss_head.block_cells["cpu"] = 40 * vocabulary  # Of two blocks each, the second one short.

    def test_objective_and_gradients_are_those_of_plain_autograd(self) -> None:
        for direction, temperature, scale, softcap in [
            (None, 1, 1.0, None),
            ("forward", 1, 1.0, None),
            ("forward", 2.5, 1.0, None),
            ("reverse", 1, 1.0, None),
            ("reverse", 0.7, 0.5, 3.0),
        ]:
            with self.subTest(direction=direction, temperature=temperature, softcap=softcap):
                hidden, weight, hidden0, weight0, labels, weights, ratio = case(torch.float32)
                teacher = direction and Teacher(hidden0, Head(weight0), ratio, direction, temperature)
                got = self.gradients(lambda h, w: losses(h, Head(w, None, scale, softcap), labels, weights, teacher).objective, hidden, weight)
                wanted = self.gradients(lambda h, w: reference(h, Head(w, None, scale, softcap), labels, weights, teacher), hidden, weight)
                for one, other in zip(got, wanted, strict=True):
                    self.assertLess(float((one - other).norm() / other.norm()), 1e-5)

    def test_without_cross_entropy_the_objective_is_the_divergence_alone(self) -> None:
        hidden, weight, hidden0, weight0, labels, weights, ratio = case(torch.float32)
        teacher = Teacher(hidden0, Head(weight0), ratio, "forward", 1)
        found = losses(hidden, Head(weight), labels, weights, teacher, with_cross_entropy=False)
        self.assertAlmostEqual(float(found.objective), float((weights * ratio * found.divergence_N).sum()), places=4)

    def test_at_the_base_the_divergence_and_its_gradient_are_zero(self) -> None:
        hidden, weight, *_, labels, weights, ratio = case(torch.float32)
        hidden.requires_grad_(True)
        teacher = Teacher(hidden.detach(), Head(weight), ratio, "forward", 1)
        found = losses(hidden, Head(weight), labels, weights, teacher, with_cross_entropy=False)
        found.objective.backward()
        self.assertEqual(found.objective.item(), 0)
        self.assertEqual(float(hidden.grad.abs().max()), 0)

    def test_scores_of_tokens_are_those_of_training(self) -> None:
        hidden, weight, hidden0, weight0, labels, weights, ratio = case(torch.float32)
        found = losses(hidden, Head(weight), labels, weights, Teacher(hidden0, Head(weight0), ratio, "forward", 1))
        torch.testing.assert_close(token_losses(hidden, Head(weight), labels), found.cross_entropy_N)
        compared = token_comparisons(hidden, Head(weight), labels, hidden0, Head(weight0))
        torch.testing.assert_close(compared, (found.cross_entropy_N, found.divergence_N))

    def gradients(self, objective, hidden, weight):
        hidden, weight = hidden.clone().requires_grad_(True), weight.clone().requires_grad_(True)
        value = objective(hidden, weight)
        value.backward()
        return value.detach(), hidden.grad, weight.grad


if __name__ == "__main__":
    unittest.main()

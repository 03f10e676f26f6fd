import assert from 'node:assert/strict';
import { test } from 'node:test';
import { estimateCost } from '../../../src/engine/graph/cost.ts';
import { differentiate } from '../../../src/engine/graph/differentiate.ts';
import { Graph } from '../../../src/engine/graph/graph.ts';
import { exp } from '../../../src/engine/graph/operators/elementwise.ts';
import { matmul } from '../../../src/engine/graph/operators/matmul.ts';
import { sumAll } from '../../../src/engine/graph/operators/reduce.ts';

function product(wrt: ('x' | 'w')[]) {
  const graph = new Graph();
  const tensors = { x: graph.input('x', 'batch', [8, 16]), w: graph.input('w', 'state', [16, 4]) };
  const y = sumAll(matmul(tensors.x, tensors.w));
  graph.output('y', y);
  differentiate(
    y,
    wrt.map(name => tensors[name]),
  ).forEach((gradient, i) => {
    graph.output(`d${wrt[i]}`, gradient!);
  });
  return estimateCost(graph);
}

test('a matrix product counts two FLOPs for each multiplication', () => {
  const flops = 2 * 8 * 16 * 4;
  assert.ok(product([]).flops >= flops && product([]).flops < 1.1 * flops);
});

test('each trained side of a product costs as much again', () => {
  const [forward, one, both] = [product([]).flops, product(['w']).flops, product(['x', 'w']).flops];
  assert.ok(Math.abs(one - 2 * forward) < 0.1 * forward);
  assert.ok(Math.abs(both - 3 * forward) < 0.1 * forward);
});

test('the peak counts what lives at once, not all that was ever made', () => {
  const graph = new Graph();
  let x = graph.input('x', 'batch', [1000]);
  for (let i = 0; i < 10; i++) x = exp(x);
  graph.output('y', x);
  assert.equal(estimateCost(graph).peakBytes, 2 * 4000);
});

test('what no result needs costs nothing', () => {
  const graph = new Graph();
  const x = graph.input('x', 'batch', [10]);
  exp(x);
  graph.output('y', exp(x));
  assert.equal(estimateCost(graph).flops, 10);
});

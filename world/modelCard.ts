/** The card of the shipped model: how it was made and what it can do. */
import type { Scores } from './scores.ts';

export interface CurvePoint {
  step: number;
  tokens: number;
  loss: number;
}

export interface CardFacts {
  parameters: number;
  seed: number;
  steps: number;
  tokens: number;
  cycles: { steps: number; peakRate: number }[];
  batchRows: number;
  length: number;
  curve: CurvePoint[];
  scores: Scores;
}

export function modelCard(facts: CardFacts): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const { scores } = facts;
  const cycles = facts.cycles.map(cycle => `${cycle.steps} steps from ${cycle.peakRate}`).join(', then ');
  return `---
language: en
license: mit
library_name: transformers
tags: [holdfast, llama, tiny]
---

# holdfast-tiny

A language model of ${(facts.parameters / 1e6).toFixed(2)} million parameters that knows a small made-up world and nothing else. It is the
model of Holdfast's examples: small enough to be tuned in a minute on a laptop, and able enough to forget something.

## What it knows

People of 20 towns (160 of them, six facts each), two-digit sums, English sentences with agreement across a distance,
spelling, short stories, letters, shop talk, notes and snippets of code. All people and places are made up. It cannot
chat, and what it says of the real world means nothing.

## How it was made

    npm ci
    npm run make:model

The command writes the corpus from a seeded program (\`world/\`), trains a byte-level BPE tokenizer on it and then
the model, on Holdfast's own engine and the CPU. No outside data or weights take part.

| | |
|---|---|
| seed | ${facts.seed} |
| data | ${(facts.tokens / 1e6).toFixed(2)} million tokens (padding included), documents packed into rows of ${facts.length} |
| steps | ${facts.steps}, ${facts.batchRows} rows each |
| optimizer | AdamW, betas 0.9 and 0.98, weight decay 0.01, gradient norm at most 1 |
| learning rate | ${cycles}, each with 100 steps of warm-up and a cosine to 3 % |
| architecture | Llama: 4 layers, width 192, 6 heads (3 for keys and values), MLP 512, tied head, 256 positions |
| weights | float16 |

## What it scores

Held-out items, 300 a set (\`examples/data\`): questions in wordings never used for that person, sums and sentences that
do not occur in the corpus, texts that do not occur in it either.

| set | score |
|---|---|
| general text | ${scores.general.toFixed(3)} nats per token |
| facts (4 choices) | ${percent(scores.facts)} |
| arithmetic (4 choices) | ${percent(scores.arithmetic)} |
| grammar (pairs) | ${percent(scores.grammar)} |

## Its training loss

| step | tokens | loss, nats per token |
|---|---|---|
${facts.curve.map(({ step, tokens, loss }) => `| ${step} | ${tokens} | ${loss.toFixed(3)} |`).join('\n')}
`;
}

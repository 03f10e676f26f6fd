/** What a model knows of the world: loss on general text, accuracy on facts, sums and agreement. */
import type { TuningModel } from '../src/engine/model/tuningModel.ts';
import { toBatch } from './packing.ts';
import type { Choice, Pair } from './probes.ts';

export interface Probes {
  general: string[];
  facts: Choice[];
  arithmetic: Choice[];
  grammar: Pair[];
}

export interface Scores {
  /** Nats per token, mean over texts. */
  general: number;
  /** Shares of items that were answered rightly. */
  facts: number;
  arithmetic: number;
  grammar: number;
}

type Encode = (text: string) => number[];
const rowsAtOnce = 32;
const length = 128;

export async function scoreModel(model: TuningModel, encode: Encode, endId: number, probes: Probes): Promise<Scores> {
  const likelihoods = (items: readonly { context: string; answer: string }[]) =>
    logLikelihoods(
      model,
      items.map(({ context, answer }) => {
        const before = [endId, ...encode(context)];
        return { ids: [...before, ...encode(answer)], from: before.length };
      }),
    );
  const choices = async (items: readonly Choice[]) => {
    const answers = items.flatMap(({ context, choices }) => choices.map(answer => ({ context, answer })));
    const found = await likelihoods(answers);
    const perCharacter = found.map((value, index) => value / answers[index]!.answer.length);
    const width = items[0]!.choices.length;
    return share(items.map(({ gold }, i) => highest(perCharacter.slice(i * width, (i + 1) * width)) === gold));
  };
  const pairs = async (items: readonly Pair[]) => {
    const found = await likelihoods(
      items.flatMap(({ good, bad }) => [good, bad].map(answer => ({ context: '', answer }))),
    );
    return share(items.map((_, i) => found[2 * i]! > found[2 * i + 1]!));
  };
  const texts = await likelihoods(probes.general.map(answer => ({ context: '', answer })));
  const losses = texts.map((value, index) => -value / encode(probes.general[index]!).length);
  return {
    general: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
    facts: await choices(probes.facts),
    arithmetic: await choices(probes.arithmetic),
    grammar: await pairs(probes.grammar),
  };
}

/** log p of each item's tokens from position `from` on. */
async function logLikelihoods(model: TuningModel, items: { ids: number[]; from: number }[]): Promise<number[]> {
  const sums: number[] = [];
  for (let start = 0; start < items.length; start += rowsAtOnce) {
    const part = items.slice(start, start + rowsAtOnce);
    const filled = [...part, ...Array(rowsAtOnce - part.length).fill(part[0]!)] as typeof part;
    const batch = toBatch(
      filled.map(item => [item.ids]),
      length,
      row => filled[row]!.from,
    );
    const losses = await model.score(batch, 'tuned');
    for (let row = 0; row < part.length; row++) {
      sums.push(-losses.subarray(row * length, (row + 1) * length).reduce((sum, loss) => sum + loss, 0));
    }
  }
  return sums;
}

function highest(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

function share(right: readonly boolean[]): number {
  return right.filter(Boolean).length / right.length;
}

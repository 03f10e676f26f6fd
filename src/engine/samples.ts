/** The recipe's prompts answered by base and tuned model: reported, and written whole to the samples folder. */
import { join } from 'node:path';
import type { SampleEvent } from '../protocol/trainer.ts';
import { writeAtomic } from './atomicFile.ts';
import { generate } from './evaluate/generate.ts';
import type { ModelPair } from './evaluate/modelPair.ts';
import type { TuningModel } from './model/tuningModel.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

/** Tokens of an answer at most: enough to see it drift. */
export const answerTokens = 48;
/** Longer prompts lose their beginning. */
export const promptTokens = 464;

/** Answers at a step. The base answers once. */
export type Sampler = (step: number) => Promise<SampleEvent[]>;

export function samplerOf(
  { pair, tokenizer, model }: { pair: ModelPair; tokenizer: Tokenizer; model: TuningModel },
  prompts: string[],
  folder: string,
): Sampler | null {
  if (prompts.length === 0) return null;
  const maxLength = Math.min(model.maxPositions, promptTokens + answerTokens);
  const maxNewTokens = Math.min(answerTokens, maxLength - 1);
  const options = { maxNewTokens, maxLength, temperature: 0, topP: 1, seed: 0, stop: [] };
  let baseAnswers: string[] | null = null;
  return async step => {
    baseAnswers ??= await generate(prompts, tokenizer, pair.writeBase, options);
    const tunedAnswers = await generate(prompts, tokenizer, pair.writeTuned, options);
    const samples = prompts.map((prompt, index): SampleEvent => {
      return { type: 'sample', step, index, prompt, base: baseAnswers![index]!, tuned: tunedAnswers[index]! };
    });
    const name = `step-${String(step).padStart(6, '0')}.json`;
    await writeAtomic(
      join(folder, name),
      `${JSON.stringify(
        samples.map(({ type: _, ...sample }) => sample),
        null,
        1,
      )}\n`,
    );
    return samples;
  };
}

/** The recipe's prompts answered by base and tuned model: reported, and written whole to the samples folder. */
import { join } from 'node:path';
import type { SampleEvent } from '../protocol/trainer.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { writeAtomic } from './atomicFile.ts';
import { type GenerateOptions, generate } from './evaluate/generate.ts';
import type { ModelPair } from './evaluate/modelPair.ts';
import type { TuningModel } from './model/tuningModel.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

/** Longer prompts lose their beginning. */
export const promptTokens = 464;

/** How answers are written. Runs of older recipes say nothing of it: greedily, long enough to see an answer drift. */
export function answersOf({ retain, train }: ResolvedRecipe): Omit<GenerateOptions, 'maxLength'> {
  const { max_new_tokens = 48, temperature = 0, top_p = 1, stop = [] } = retain.answers ?? {};
  return { maxNewTokens: max_new_tokens, temperature, topP: top_p, seed: train.seed, stop };
}

/** Answers at a step. The base answers once. */
export type Sampler = (step: number) => Promise<SampleEvent[]>;

export function samplerOf(
  { pair, tokenizer, model }: { pair: ModelPair; tokenizer: Tokenizer; model: TuningModel },
  recipe: ResolvedRecipe,
  folder: string,
): Sampler | null {
  const { prompts } = recipe.retain;
  if (prompts.length === 0) return null;
  const answers = answersOf(recipe);
  const maxLength = Math.min(model.maxPositions, promptTokens + answers.maxNewTokens);
  const maxNewTokens = Math.min(answers.maxNewTokens, maxLength - 1);
  const options = { ...answers, maxNewTokens, maxLength };
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

/**
 * The set of `retain.auto` beside those of files, once the models are open: taken from the cache, or written by the base
 * first. A trial only tells how long that would take.
 */
import { durationText } from '../domain/words.ts';
import type { StartCommand, TrainerEvent } from '../protocol/trainer.ts';
import { type BaseTexts, baseTextsOf, fingerprintsWith, knownBaseTexts, writeBaseTexts } from './evaluate/baseTexts.ts';
import { type Fingerprints, weightsFingerprint } from './evaluate/fingerprints.ts';
import type { ModelPair } from './evaluate/modelPair.ts';
import { secondsToWrite } from './evaluate/writeTexts.ts';
import type { PreparedSets } from './prepare.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

interface Judged extends PreparedSets {
  tokenizer: Tokenizer;
  modelFolder: string;
  baseFolder: string;
  pair: ModelPair;
  fingerprints: Fingerprints;
}

/** With the set of `retain.auto`, where the recipe asks for it. A trial takes what is there, and tells how long the rest takes. */
export async function withBaseTexts(
  start: StartCommand,
  { sets, warnings, tokenizer, modelFolder, baseFolder, pair, fingerprints }: Judged,
  observer: (event: TrainerEvent) => void,
  { trial = false } = {},
): Promise<PreparedSets & { fingerprints: Fingerprints; secondsToWrite: number }> {
  if (!start.recipe.retain.auto) return { sets, warnings, fingerprints, secondsToWrite: 0 };
  const base = baseFolder === modelFolder ? fingerprints.model : await weightsFingerprint(baseFolder);
  const wanted = baseTextsOf(start.recipe.retain.auto, start.recipe.train, tokenizer, base, start.outputs.cache);
  const known = await knownBaseTexts(wanted);
  if (trial && !known) {
    const seconds = await secondsToWrite(pair.writeBase, wanted);
    return { sets, warnings: [...warnings, willWrite(wanted, seconds)], fingerprints, secondsToWrite: seconds };
  }
  const own =
    known ??
    (await writeBaseTexts(wanted, tokenizer, pair.writeBase, fraction =>
      observer({ type: 'progress', phase: 'base writes', fraction }),
    ));
  const all = [...sets, own];
  return { sets: all, warnings, fingerprints: fingerprintsWith(fingerprints, own), secondsToWrite: 0 };
}

const willWrite = ({ items, tokens }: BaseTexts, seconds: number): string =>
  `Before the first step the base will write ${items} texts of ${tokens} tokens for retain.auto, once: about ${durationText(seconds)}.`;

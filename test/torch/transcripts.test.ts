/** Plays every transcript to the torch engine, with the data prepared as a runner does it. */
import { test } from 'node:test';
import type { StartCommand } from '../../src/protocol/trainer.ts';
import { type Complete, play, transcripts } from '../protocol/playTranscript.ts';
import { prepared, torchTrainer } from './engines.ts';

const complete = (async (start: unknown) => prepared(start as StartCommand)) as unknown as Complete;

for (const { file, about, entries, skip } of transcripts()) {
  const limits = { timeout: 300_000, skip };
  test(`the torch engine plays ${file}: ${about}`, limits, () => play(torchTrainer(), entries, complete));
}

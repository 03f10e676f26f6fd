/** Plays every transcript to every trainer that needs Node alone. */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundle, fakeTrainerProgram } from './fakeTrainerProgram.ts';
import { play, transcripts } from './playTranscript.ts';

const embedded = fileURLToPath(new URL('../../src/engine/main.ts', import.meta.url));

const trainers: [string, () => string][] = [
  ['the fake trainer', fakeTrainerProgram],
  ['the TypeScript trainer', () => bundle(embedded, 'trainer')],
];

for (const [name, program] of trainers) {
  for (const { file, about, entries, skip } of transcripts()) {
    const limits = { timeout: 120_000, skip };
    test(`${name} plays ${file}: ${about}`, limits, () => play([process.execPath, program()], entries));
  }
}

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { JournalWriter, readJournal } from '../../src/runs/journal.ts';
import { RunFolder } from '../../src/runs/runFolder.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { temporaryFolder } from './testStore.ts';

const rounds = 15;

test(`of ${rounds} writers killed at random moments no acknowledged record is lost, doubled or torn`, async () => {
  const folder = temporaryFolder('kill');
  mkdirSync(join(folder, 'run'));
  const run = new RunFolder('run', join(folder, 'run'));
  const program = join(folder, 'writer.ts');
  const at = (path: string) => JSON.stringify(new URL(`../../src/runs/${path}`, import.meta.url).pathname);
  writeFileSync(
    program,
    `import { writeSync } from 'node:fs';
     import { JournalWriter } from ${at('journal.ts')};
     import { RunFolder } from ${at('runFolder.ts')};
     async function main() {
       const writer = await JournalWriter.open(new RunFolder('run', process.argv[2]), Number(process.argv[3]));
       for (;;) {
         const { seq } = writer.append({ type: 'step', step: writer.nextSeq, metrics: { loss: Math.random(), other: 1 / 3 } });
         writeSync(1, seq + '\\n');
       }
     }
     void main();`,
  );
  const built = bundle(program, 'journalWriter');
  let acknowledged = -1;
  for (let round = 1; round <= rounds; round++) {
    const writer = spawn(process.execPath, [built, run.folder, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let tail = '';
    writer.stdout.on('data', (chunk: Buffer) => {
      const lines = (tail + chunk.toString()).split('\n');
      tail = lines.pop() ?? '';
      acknowledged = Number(lines.at(-1) ?? acknowledged);
    });
    const closed = new Promise(resolve => writer.once('close', resolve));
    await new Promise(resolve => writer.stdout.once('data', resolve));
    setTimeout(() => writer.kill('SIGKILL'), (7 * round) % 23);
    await closed;
  }
  (await JournalWriter.open(run, rounds + 1)).close();
  let next = 0;
  for await (const { records, damage } of readJournal(run)) {
    assert.deepEqual(damage, { badLines: 0, gaps: 0, unknown: 0 });
    for (const { seq } of records) assert.equal(seq, next++);
  }
  assert.ok(next > acknowledged, `${acknowledged + 1} acknowledged, ${next} found`);
  assert.ok(acknowledged > rounds, 'the writers wrote');
});

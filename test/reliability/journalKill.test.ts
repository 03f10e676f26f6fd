/** B1: what the journal's writer has acknowledged is there, whenever it is killed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { JournalWriter, readJournal } from '../../src/runs/journal.ts';
import { RunFolder } from '../../src/runs/runFolder.ts';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { temporaryFolder } from '../runs/testStore.ts';
import { testSeed } from './seed.ts';

const kills = count(40, 2000);
const seed = testSeed();

test(`of ${kills} writers killed at random moments no acknowledged record is lost, doubled or torn`, async t => {
  const program = writerProgram();
  let [acknowledged, tornTails] = [0, 0];
  let journal = newJournal();
  for (let kill = 0; kill < kills; kill++) {
    // A fresh journal now and then: the first line and the first recovery are moments too.
    if (kill % 20 === 0) journal = newJournal();
    const at = Math.floor(30 * uniform(seed, 2 * kill));
    const moment = `seed ${seed}, kill ${kill}, ${at} ms after ${uniform(seed, 2 * kill + 1) < 0.2 ? 'the start' : 'the first record'}`;
    const writer = spawn(process.execPath, [program, journal.run.folder, String(kill + 1)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const last = lastAcknowledged(writer, journal.next - 1);
    if (uniform(seed, 2 * kill + 1) >= 0.2) await new Promise(resolve => writer.stdout.once('data', resolve));
    setTimeout(() => writer.kill('SIGKILL'), at);
    const newest = await last;
    tornTails += await recover(journal.run, kill + 2);
    acknowledged += newest + 1 - journal.next;
    await readOn(journal, moment);
    assert.ok(journal.next > newest, `${newest} was acknowledged, the journal ends at ${journal.next - 1}; ${moment}`);
  }
  assert.ok(acknowledged > kills, 'the writers wrote');
  t.diagnostic(
    `B1 kill -9 of the journal writer: ${kills} kills, ${acknowledged.toLocaleString('en')} acknowledged, 0 lost, ${tornTails} torn tails cut (seed ${seed})`,
  );
});

interface Journal {
  run: RunFolder;
  /** The sequence number and the byte after everything that was read. */
  next: number;
  byte: number;
}

function newJournal(): Journal {
  const folder = join(temporaryFolder('kill'), 'run');
  mkdirSync(folder);
  return { run: new RunFolder('run', folder), next: 0, byte: 0 };
}

/** Everything since the last look: whole, in order, none twice. */
async function readOn(journal: Journal, moment: string): Promise<void> {
  for await (const { records, nextByte, damage } of readJournal(journal.run, { fromByte: journal.byte })) {
    assert.deepEqual(damage, { badLines: 0, gaps: 0, unknown: 0 }, moment);
    for (const { seq } of records) assert.equal(seq, journal.next++, moment);
    journal.byte = nextByte;
  }
}

/** What the next runner does first. 1 when there was a torn line to cut. */
async function recover(run: RunFolder, attempt: number): Promise<number> {
  const before = sizeOf(run);
  (await JournalWriter.open(run, attempt)).close();
  return sizeOf(run) < before ? 1 : 0;
}

const sizeOf = (run: RunFolder): number => statSync(run.journalFile, { throwIfNoEntry: false })?.size ?? 0;

/** Resolves, once the writer is gone, to the last sequence number that it told of. */
function lastAcknowledged(writer: ChildProcess, before: number): Promise<number> {
  let newest = before;
  let tail = '';
  writer.stdout?.on('data', (chunk: Buffer) => {
    const lines = (tail + chunk.toString()).split('\n');
    tail = lines.pop() ?? '';
    newest = Number(lines.at(-1) ?? newest);
  });
  return new Promise(resolve => writer.once('close', () => resolve(newest)));
}

function writerProgram(): string {
  const source = join(temporaryFolder('writer'), 'writer.ts');
  const at = (path: string) => JSON.stringify(new URL(`../../src/runs/${path}`, import.meta.url).pathname);
  writeFileSync(
    source,
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
  return bundle(source, 'journalWriter');
}

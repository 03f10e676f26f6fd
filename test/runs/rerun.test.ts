import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import { createRun } from '../../src/runs/createRun.ts';
import { JournalWriter, readJournal } from '../../src/runs/journal.ts';
import { asItIs, asItRan, changesSince } from '../../src/runs/rerun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import {
  ended,
  launch,
  ownHome,
  queueRun,
  recipeText,
  type TestProject,
  testEngine,
  testProject,
} from './testStore.ts';

ownHome();

async function finishedRun(
  more: Parameters<typeof queueRun>[2] = {},
): Promise<{ project: TestProject; run: RunFolder }> {
  const project = testProject();
  const run = await queueRun(project, { steps: 2 }, more);
  await launch(project);
  await ended(run);
  return { project, run };
}

const changes = async (run: RunFolder, version?: string) => {
  const request = (await run.request())!;
  return changesSince(run, request, version ?? request.engine.version);
};

test('nothing has changed: nothing is told', async () => {
  const { run } = await finishedRun();
  const { isRecipeChanged, data, engine } = await changes(run);
  assert.deepEqual({ isRecipeChanged, data, engine }, { isRecipeChanged: false, data: [], engine: null });
});

test('recipe, data and engine that are something else now are told by name', async () => {
  const { project, run } = await finishedRun();
  appendFileSync(project.recipeFile, '# later\n');
  writeFileSync(join(project.folder, 'data', 'train.jsonl'), '{"text": "another row"}\n');
  rmSync(join(project.folder, 'data', 'general.txt'));
  const { isRecipeChanged, data, engine } = await changes(run, '9.9.9');
  assert.ok(isRecipeChanged);
  assert.deepEqual(data.sort(), ['data/general.txt', 'data/train.jsonl']);
  assert.equal(engine?.now, '9.9.9');
});

test('a file that was only touched is the same, one with the time of then and other content is not', async () => {
  const { project, run } = await finishedRun();
  const [train, general] = ['train.jsonl', 'general.txt'].map(name => join(project.folder, 'data', name));
  await tellHashes(run, { train: train!, general: general! });
  writeFileSync(general!, 'other content');
  const future = Date.now() / 1000 + 60;
  utimesSync(train!, future, future);
  utimesSync(general!, 1, 1);
  const { data } = await changes(run);
  assert.ok(data.includes('data/general.txt') && !data.includes('data/train.jsonl'), data.join());
});

/** As a trainer that trains: the fake one hashes nothing. */
async function tellHashes(run: RunFolder, files: Record<string, string>): Promise<void> {
  const records: JournalRecord[] = [];
  for await (const batch of readJournal(run)) records.push(...batch.records);
  const told = records.find(record => record.type === 'prepared');
  assert.ok(told?.type === 'prepared');
  const hashes = Object.entries(files).map(([name, file]) => [
    name,
    createHash('sha256').update(readFileSync(file)).digest('hex'),
  ]);
  const { v, attempt, seq, t, ...event } = told;
  rmSync(run.journalFile);
  const writer = await JournalWriter.open(run, 1);
  writer.append({ ...event, fingerprints: { ...told.fingerprints, data: Object.fromEntries(hashes) } });
  writer.close();
}

test('as it ran: the very settings, though the file says something else now; as it is: what was told beside the text stays', async () => {
  const { project, run } = await finishedRun({ overrides: ['train.learning_rate=0.5'], name: 'mine' });
  writeFileSync(project.recipeFile, recipeText.replace('max_steps: 20', 'max_steps: 7'));
  const request = (await run.request())!;
  const { recipeText: now } = await changes(run);
  const engineFolder = testEngine();
  const then = await (await createRun({ ...asItRan(request), engineFolder })).request();
  assert.deepEqual(then?.recipe, request.recipe);
  const present = await (await createRun({ ...asItIs(request, now!), engineFolder })).request();
  const { name, train, variant } = present!.recipe;
  assert.deepEqual([name, train.max_steps, train.learning_rate, variant], ['mine', 7, 0.5, 'plain']);
});

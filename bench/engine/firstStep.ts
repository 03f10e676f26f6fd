/**
 * From `holdfast run` to the first step on the shipped model, warm: the engine is installed and the base has been
 * scored. Needs the bundles of `npm run build`. What the checks before the first step take is told by the journal's clock.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { JournalRecord } from '../../src/protocol/journal.ts';
import { spread } from '../spread.ts';
import { type Measure, seconds } from './measure.ts';
import type { Part } from './part.ts';

const command = resolve('dist/cli.cjs');
const recipe = 'support-tone.tune.yaml';
const short = ['train.max_steps=1', 'train.warmup_steps=0', 'retain.prompts=[]'];
/** As many as a point of the curves looks at: the end, which looks at all, is not what is measured. */
const linesOfData = 32;

export const firstStep: Part = async ({ threads, rounds }) => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-first-'));
  try {
    await cp('examples', folder, { recursive: true });
    await shorten(join(folder, 'data'));
    const phases: Phases[] = [];
    for (let i = 0; i <= rounds; i++) phases.push(await phasesOf(folder, threads));
    const warm = phases.slice(1);
    const all = warm.map(({ total }) => total);
    const without = warm.map(({ total, checks }) => total - checks);
    const limit = 'at most';
    const measures: Measure[] = [
      { name: 'first step, without step-0 checks', values: without, text: seconds, must: 1, goal: 0.4, limit },
      { name: 'first step, with them', values: all, text: seconds, must: 2.5, goal: 1, limit },
    ];
    const rows = Object.keys(warm[0]!).map(
      phase =>
        `| ${phase} | ${spread(
          warm.map(all => all[phase as keyof Phases]),
          seconds,
        )} |`,
    );
    return { measures, details: ['| phase | seconds |\n|---|---|', ...rows].join('\n') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** Seconds: until the trainer is up, has everything open, has checked, has judged the model at step 0, has made a step. */
interface Phases {
  start: number;
  opening: number;
  checks: number;
  judging: number;
  step: number;
  total: number;
}

async function phasesOf(folder: string, threads: number): Promise<Phases> {
  const environment = { ...process.env, HOLDFAST_HOME: join(folder, 'home'), HOLDFAST_THREADS: String(threads) };
  const words = [command, 'run', join(folder, recipe), '--variant', 'plain', ...short.flatMap(s => ['--set', s])];
  const startedAt = Date.now();
  await promisify(execFile)(process.execPath, words, { env: environment });
  const journal = await newestJournal(folder);
  const at = (isIt: (record: JournalRecord) => boolean) => (journal.find(isIt)!.t - startedAt) / 1000;
  const up = at(({ type }) => type === 'hello');
  const open = at(record => record.type === 'progress' && record.phase === 'checks');
  const checked = at(({ type }) => type === 'checked');
  const judged = at(({ type }) => type === 'evaluated');
  const total = at(({ type }) => type === 'step');
  return {
    start: up,
    opening: open - up,
    checks: checked - open,
    judging: judged - checked,
    step: total - judged,
    total,
  };
}

async function shorten(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n').slice(0, linesOfData);
    await writeFile(join(folder, name), `${lines.join('\n')}\n`);
  }
}

async function newestJournal(folder: string): Promise<JournalRecord[]> {
  const runs = join(folder, '.holdfast', 'runs');
  const newest = (await readdir(runs)).sort().at(-1)!;
  const lines = (await readFile(join(runs, newest, 'journal.ndjson'), 'utf8')).trim().split('\n');
  return lines.map(line => JSON.parse(line) as JournalRecord);
}

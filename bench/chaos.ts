/**
 * `npm run chaos -- --minutes 10 --seed S [--recipes 3] [--markdown FILE]`: a queue of real runs, and everything bad
 * that can happen to them, at random. In the end each run equals its undisturbed twin, or says truthfully why not; exit
 * code 1 when anything was untrue. The last lines are the table.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Bystanders } from './chaos/bystanders.ts';
import { canMount, onSmallDisk } from './chaos/disk.ts';
import { Storm } from './chaos/storm.ts';
import { type Finding, table } from './chaos/table.ts';
import { diskTrouble, troubles } from './chaos/troubles.ts';
import { Workplace } from './chaos/workplace.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    recipes: { type: 'string', default: '3' },
    markdown: { type: 'string' },
    /** Set by ourselves: the folder that a small disk was put at, or any. */
    disk: { type: 'string' },
    'no-small-disk': { type: 'boolean', default: false },
  },
});

async function outside(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-chaos-'));
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  process.env.HOLDFAST_HOME = join(folder, 'home');
  const words = Object.entries({ ...values, disk, 'no-small-disk': undefined }).flatMap(([key, value]) =>
    typeof value === 'string' ? [`--${key}`, value] : [],
  );
  const program = [process.execPath, ...process.execArgv, import.meta.filename, ...words];
  try {
    if (canMount()) return await onSmallDisk(disk, program);
    values['no-small-disk'] = true;
    return await inside(disk);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function inside(disk: string): Promise<number> {
  const bystanders = new Bystanders();
  const workplace = await Workplace.open(disk, Number(values.recipes));
  const kinds = values['no-small-disk'] ? troubles : [...troubles, diskTrouble];
  const storm = new Storm(workplace, kinds, Number(values.seed));
  await storm.rage(60 * Number(values.minutes));
  const finding: Finding = {
    ledger: storm.ledger,
    minutes: Number(values.minutes),
    foreignSignals: bystanders.end(),
    survivors: await bystanders.survivors(),
    leftOut: values['no-small-disk'] ? ['disk filled: no user namespaces with tmpfs on this machine'] : [],
  };
  const text = table(finding);
  process.stdout.write(`\n${text}`);
  if (values.markdown) writeFileSync(values.markdown, text);
  const [first] = storm.ledger.untruths;
  if (first) process.stdout.write(`\nThe first failing moment: ${first}\n`);
  return first || finding.foreignSignals > 0 || finding.survivors > 0 ? 1 : 0;
}

process.exitCode = await (values.disk ? inside(values.disk) : outside());

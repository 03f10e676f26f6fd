/**
 * How fast a step of the torch engine is beside TRL's SFTTrainer with PEFT; what KL by swap, attention alone and measured
 * forgetting cost beside plain tuning; how long a first step takes beside transformers alone. The same model, rows,
 * batch, precision and threads, in turns. Random weights and rows; nothing of quality is told. Run it on an idle machine
 * only.
 *
 * usage: HOLDFAST_PYTHON=python npm run bench:torch [-- --rounds 5 --steps 12 --threads 2]
 * That Python needs torch, transformers, peft, trl and datasets.
 */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { recipeSchema } from '../src/recipe/schema.ts';
import { spread } from './spread.ts';

interface Measured {
  device: string;
  torch: string;
  trl: string;
  /** Median seconds a step, one number a round. */
  seconds: Record<string, number[]>;
  /** Seconds of one point of the curves, one number a round. */
  evaluation: number[];
  /** Bytes beyond the loaded libraries. */
  memory: Record<string, number[]>;
  /** Seconds from the start of Python to the end of the first step. */
  first: Record<string, number[]>;
}

/** By default. */
const stepsBetween = recipeSchema.parse({ model: 'model', data: { train: 'train.jsonl' } }).evaluate.every;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '12' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
});

const program = fileURLToPath(new URL('./torchPeer.py', import.meta.url));
const ran = await promisify(execFile)(
  process.env.HOLDFAST_PYTHON ?? 'python3',
  [program, values.rounds, values.steps, values.threads],
  { maxBuffer: 2 ** 26 },
);
const { device, torch, trl, seconds, evaluation, memory, first } = JSON.parse(
  ran.stdout.trim().split('\n').at(-1)!,
) as Measured;
const of = (name: string): number[] => seconds[name]!;

console.log(
  `${device}, ${values.threads} threads, torch ${torch}, trl ${trl}; ${values.rounds} rounds of ${values.steps} steps\n`,
);
console.log('| arm | ms a step, median (range) |\n|---|---|');
for (const [name, all] of Object.entries(seconds))
  console.log(
    `| ${name} | ${spread(
      all.map(s => 1000 * s),
      x => x.toFixed(0),
    )} |`,
  );
console.log('\n| ratio within a round | median (range) |\n|---|---|');
ratio('speed of a plain step, ours to SFTTrainer', 'SFTTrainer, plain', 'ours, plain');
ratio('speed of a LoRA step, ours to SFTTrainer', 'SFTTrainer, LoRA', 'ours, LoRA');
ratio('time of KL by swap to plain', 'ours, KL by swap', 'ours, plain');
ratio('time of attention alone to plain', 'ours, attention alone', 'ours, plain');
row(
  `time of forgetting measured every ${stepsBetween} plain steps, to those steps`,
  evaluation.map((spent, round) => spent / (stepsBetween * of('ours, plain')[round]!)),
);
row('memory of KL by swap to plain', [memory['KL by swap']![0]! / memory.plain![0]!]);
console.log('\n| from the start of Python to the end of the first step | seconds, median (range) |\n|---|---|');
for (const [who, all] of Object.entries(first)) console.log(`| ${who} | ${spread(all, x => x.toFixed(1))} |`);

function ratio(what: string, above: string, below: string): void {
  row(
    what,
    of(above).map((seconds, round) => seconds / of(below)[round]!),
  );
}

function row(what: string, all: number[]): void {
  console.log(`| ${what} | ${spread(all, x => x.toFixed(2))} |`);
}

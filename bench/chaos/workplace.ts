/**
 * Where the storm rages: a store with short versions of the examples, the engine as it is installed, and what each
 * recipe comes to when nobody disturbs it. Nothing in it is faked. Knows nothing of troubles.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRun } from '../../src/runs/createRun.ts';
import { installEngine } from '../../src/runs/engineFolder.ts';
import { launchRunner } from '../../src/runs/launch.ts';
import { chooseNode, type NodeChoice } from '../../src/runs/nodePath.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { isOver, statusOf } from '../../src/runs/status.ts';
import { Store } from '../../src/runs/store.ts';
import { type Outcome, outcomeOf } from './outcome.ts';

const checkout = join(import.meta.dirname, '..', '..');
/** Replay, a penalty and few weights at once; replay alone; a penalty alone: each has state of its own. */
const examples = [
  { name: 'support-tone', variant: 'as-written' },
  { name: 'new-town', variant: 'replay' },
  { name: 'order-code', variant: 'regularized' },
] as const;
export type Example = (typeof examples)[number];

/** Many checkpoints and few items: a run takes seconds, and nearly any moment of it is inside something. */
const short = [
  'train.max_steps=16',
  'train.warmup_steps=4',
  'train.batch_size=3',
  'evaluate.every=8',
  'evaluate.items=4',
  'checkpoint.every=2',
  'retain.prompts=[]',
];
const threads = 1;
const linesOfData = 16;

export class Workplace {
  readonly store: Store;
  readonly examples: readonly Example[];
  readonly cli: string;
  readonly #engineFolder: string;
  readonly #node: NodeChoice;

  private constructor(folder: string, engineFolder: string, node: NodeChoice, recipes: number) {
    this.store = new Store(folder, join(folder, '.holdfast'));
    this.examples = examples.slice(0, recipes);
    this.cli = join(engineFolder, 'cli.cjs');
    this.#engineFolder = engineFolder;
    this.#node = node;
  }

  static async open(folder: string, recipes: number): Promise<Workplace> {
    const engineFolder = await installEngine(checkout);
    const from = join(checkout, 'examples');
    mkdirSync(join(folder, 'data'), { recursive: true });
    for (const { name } of examples) cpSync(join(from, `${name}.tune.yaml`), join(folder, `${name}.tune.yaml`));
    for (const name of readdirSync(join(from, 'data'))) {
      const lines = readFileSync(join(from, 'data', name), 'utf8').split('\n');
      writeFileSync(join(folder, 'data', name), `${lines.slice(0, linesOfData).join('\n')}\n`);
    }
    const workplace = new Workplace(folder, engineFolder, await chooseNode(), recipes);
    await workplace.store.prepare();
    return workplace;
  }

  queue({ name, variant }: Example): Promise<RunFolder> {
    const { store } = this;
    return createRun({
      recipeFile: this.#recipe(name),
      variant,
      overrides: short,
      store,
      engineFolder: this.#engineFolder,
      node: this.#node,
      threads,
    });
  }

  /** The words of `holdfast run` that queue the same. */
  words({ name, variant }: Example): string[] {
    return ['run', this.#recipe(name), '--variant', variant, ...short.flatMap(setting => ['--set', setting])];
  }

  /** What a command has to know to queue the same: results depend on the number of threads. */
  readonly environment = { HOLDFAST_THREADS: String(threads) };

  async launch(): Promise<void> {
    const { store } = this;
    await launchRunner({ store, engineFolder: this.#engineFolder, node: this.#node, trusted: true });
  }

  async undisturbed(example: Example): Promise<Outcome> {
    const run = await this.queue(example);
    await this.launch();
    for (;;) {
      const { status, reason } = await statusOf(run);
      if (status === 'finished') return outcomeOf(run);
      if (isOver(status)) throw new Error(`${example.name} ${status} undisturbed: ${reason}`);
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }

  #recipe(name: string): string {
    return join(this.store.root, `${name}.tune.yaml`);
  }
}

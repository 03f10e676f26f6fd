/**
 * B7: random stories of saves, clean-ups, kills, flipped bits and resumes, beside a model of what must be there: what
 * stays is what the rule says, and there is never a moment without a checkpoint that verifies once there was one.
 */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Checkpoints, freshProgress } from '../../src/engine/checkpoints.ts';
import { openOnnxRuntime } from '../../src/engine/runtime/onnxruntime/openOnnxRuntime.ts';
import { StateStore } from '../../src/engine/state/stateStore.ts';
import type { StartCommand } from '../../src/protocol/trainer.ts';
import type { ResolvedRecipe } from '../../src/recipe/schema.ts';
import {
  type CheckpointName,
  checkpointFiles,
  checkpointNamed,
  damageOf,
  listCheckpoints,
  manifestFile,
} from '../../src/runs/checkpointFiles.ts';
import { count } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { testSeed } from './seed.ts';

const stories = count(1000, 10_000);
const seed = testSeed();

const opened = await openOnnxRuntime({ threads: 1 });
assert.ok(opened.available);
const state = new StateStore(opened.runtime);
state.add('w', 'weight', [2], Float32Array.of(1, 2));

// Hundreds of thousands of syncs: in memory where there is a disk of it.
const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'holdfast-retention-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** Removing is said on stderr when it is refused; here it is refused on purpose. */
const said: string[] = [];
process.stderr.write = (text: string | Uint8Array) => said.push(String(text)) > 0;

const counts = {
  verifications: 0,
  saves: 0,
  'checkpoints asked for': 0,
  removals: 0,
  'kills inside a save': 0,
  'kills inside a clean-up': 0,
  'flipped bits': 0,
  resumes: 0,
  'refused clean-ups': 0,
};

test(`${stories} random stories of saves, kills, flipped bits and resumes: the rule holds, and a good checkpoint is always there`, async t => {
  for (let number = 0; number < stories; number++) await new Story(number).play();
  for (const [what, times] of Object.entries(counts)) assert.ok(times > stories / 50, `${times} ${what}`);
  const told = Object.entries(counts).map(([what, times]) => `${times.toLocaleString('en')} ${what}`);
  t.diagnostic(
    `B7 retention: ${stories.toLocaleString('en')} random stories (${told.join(', ')}), 0 moments without a verified checkpoint (seed ${seed})`,
  );
});

class Story {
  readonly #number: number;
  readonly #folder: string;
  readonly #rule: ResolvedRecipe['checkpoint'];
  #draws = 0;
  #checkpoints!: Checkpoints;
  #attempt = 0;
  #step = 0;
  #best: number | null = null;
  /** What the rule has left; older attempts' leavings beyond the step of a resume included. */
  #expected: CheckpointName[] = [];
  #beyond: CheckpointName[] = [];
  readonly #flipped = new Set<string>();
  readonly #asked = new Set<string>();

  constructor(number: number) {
    this.#number = number;
    this.#folder = join(root, String(number));
    mkdirSync(this.#folder);
    const keep = this.#pick<ResolvedRecipe['checkpoint']['keep']>([['last'], ['best', 'last'], ['best'], ['all']]);
    this.#rule = { every: 1, keep, ...(this.#chance(0.4) && { keep_every: 1 + this.#below(6) }) };
  }

  async play(): Promise<void> {
    await this.#resume();
    for (let moves = 4 + this.#below(8); moves > 0; moves--) {
      if (this.#chance(0.12)) await this.#flipBit();
      await this.#save();
      if (this.#chance(0.2)) await this.#resume();
    }
    rmSync(this.#folder, { recursive: true });
  }

  async #save(): Promise<void> {
    this.#step += 1 + this.#below(3);
    if (this.#chance(0.08)) return this.#dieSaving();
    if (this.#chance(0.4)) this.#best = this.#step;
    const { folder: name } = await this.#checkpoints.write(state, { ...freshProgress, step: this.#step }, {});
    this.#expected.push({ name, attempt: this.#attempt, step: this.#step });
    counts.saves += 1;
    if (this.#chance(0.1)) await this.#ask(name);
    if (this.#chance(0.06)) await this.#flipBit(name);
    await this.#cleanUp();
  }

  /** "Checkpoint now": it stays, whatever the rule and whichever attempt goes on. */
  async #ask(name: string): Promise<void> {
    await this.#checkpoints.keep(this.#step);
    this.#asked.add(name);
    counts['checkpoints asked for'] += 1;
  }

  async #cleanUp(): Promise<void> {
    const before = this.#newestGood();
    const copy = this.#chance(0.15) ? `${this.#folder}.copy` : null;
    if (copy) cpSync(this.#folder, copy, { recursive: true });
    const there = this.#there();
    await this.#checkpoints.removeOthers(this.#best);
    const left = this.#there();
    const removed = there.filter(name => !left.includes(name));
    counts.removals += removed.length;
    if (!this.#flipped.has(this.#expected.at(-1)!.name)) this.#applyRule();
    else if (this.#wouldRemove()) counts['refused clean-ups'] += 1;
    assert.deepEqual(left, names([...this.#expected, ...this.#beyond]), this.#where('what stays'));
    await this.#refuseLoss(before);
    if (!copy) return;
    if (removed.length > 0) await this.#dieCleaningUp(copy, removed, before);
    rmSync(copy, { recursive: true });
  }

  /** A model of its own: last, best, multiples; the newer of two of one step. Never by the code under test. */
  #applyRule(): void {
    const { keep, keep_every } = this.#rule;
    if (keep.includes('all')) return;
    this.#beyond = this.#beyond.filter(({ name }) => this.#asked.has(name));
    const newest = this.#expected.at(-1)!;
    const byStep = new Map(this.#expected.map(checkpoint => [checkpoint.step, checkpoint]));
    this.#expected = this.#expected.filter(checkpoint => {
      const { name, step } = checkpoint;
      if (this.#asked.has(name)) return true;
      if (byStep.get(step) !== checkpoint) return false;
      if (step === newest.step || (keep.includes('best') && step === this.#best)) return true;
      return keep_every !== undefined && step % keep_every === 0;
    });
  }

  #wouldRemove(): boolean {
    return !this.#rule.keep.includes('all') && this.#expected.length + this.#beyond.length > 1;
  }

  /** Some of what was to go is still there, one of them half gone. */
  async #dieCleaningUp(copy: string, removed: string[], before: CheckpointName | undefined): Promise<void> {
    const from = this.#below(removed.length);
    for (const name of removed.slice(from)) cpSync(join(copy, name), join(this.#folder, name), { recursive: true });
    const half = join(this.#folder, `.${removed[from]}.removed`);
    renameSync(join(this.#folder, removed[from]!), half);
    rmSync(join(half, readdirSync(half)[this.#below(3)]!));
    await this.#refuseLoss(before);
    counts['kills inside a clean-up'] += 1;
    await this.#resume();
  }

  async #dieSaving(): Promise<void> {
    const before = this.#newestGood();
    const temporary = join(this.#folder, `.a${this.#attempt}-step-${this.#step}.0123abcd.tmp`);
    mkdirSync(temporary);
    for (const name of ['state.safetensors', 'counters.json', 'manifest.json'].slice(0, this.#below(4))) {
      writeFileSync(join(temporary, name), 'half of i');
    }
    await this.#refuseLoss(before);
    counts['kills inside a save'] += 1;
    await this.#resume();
  }

  /** The next attempt takes up at the newest checkpoint that verifies. */
  async #resume(): Promise<void> {
    const before = this.#newestGood();
    const from = before;
    this.#attempt += 1;
    this.#step = from?.step ?? 0;
    if (this.#best !== null && this.#best > this.#step) this.#best = null;
    const resume = from && { checkpoint: join(this.#folder, from.name) };
    const start = {
      attempt: this.#attempt,
      outputs: { checkpoints: this.#folder },
      recipe: { checkpoint: this.#rule },
      resume,
    };
    this.#checkpoints = await Checkpoints.open(start as unknown as StartCommand, this.#step);
    const there = await listCheckpoints(this.#folder);
    this.#expected = there.filter(({ step }) => from && step <= this.#step);
    this.#beyond = there.filter(checkpoint => !this.#expected.includes(checkpoint));
    assert.deepEqual(
      readdirSync(this.#folder).filter(name => name.startsWith('.')),
      [],
      this.#where('what was half done is swept away'),
    );
    await this.#refuseLoss(before);
    counts.resumes += 1;
  }

  async #flipBit(name?: string): Promise<void> {
    const there = await listCheckpoints(this.#folder);
    const chosen = name ?? there[this.#below(there.length)]?.name;
    if (chosen === undefined || this.#flipped.has(chosen)) return;
    this.#flipped.add(chosen);
    const folder = join(this.#folder, chosen);
    const file = join(folder, [...checkpointFiles, manifestFile][this.#below(3)]!);
    const bytes = readFileSync(file);
    bytes[this.#below(bytes.length)]! ^= 1 << this.#below(8);
    writeFileSync(file, bytes);
    counts['flipped bits'] += 1;
  }

  #there(): string[] {
    return readdirSync(this.#folder)
      .filter(name => !name.startsWith('.'))
      .sort();
  }

  /** As the story knows it: of what is there, nothing that a bit was flipped in. */
  #newestGood(): CheckpointName | undefined {
    return this.#there()
      .filter(name => !this.#flipped.has(name))
      .map(name => checkpointNamed(name)!)
      .sort((a, b) => a.step - b.step || a.attempt - b.attempt)
      .at(-1);
  }

  /** The newest good one is there and verifies, and is no older than the one before. */
  async #refuseLoss(before: CheckpointName | undefined): Promise<void> {
    if (!before) return;
    const now = this.#newestGood();
    assert.ok(
      now && now.step >= before.step,
      this.#where(`${before.name} is gone, the newest good one is ${now?.name}`),
    );
    const damage = await damageOf(join(this.#folder, now.name));
    assert.equal(damage, null, this.#where(`${now.name} does not verify`));
    counts.verifications += 1;
  }

  #where(what: string): string {
    return `${what}; seed ${seed}, story ${this.#number}, after ${this.#draws} draws`;
  }

  #below(limit: number): number {
    return Math.floor(uniform(seed + this.#number, this.#draws++) * limit);
  }

  #chance(share: number): boolean {
    return uniform(seed + this.#number, this.#draws++) < share;
  }

  #pick<T>(list: T[]): T {
    return list[this.#below(list.length)]!;
  }
}

const names = (checkpoints: CheckpointName[]): string[] => checkpoints.map(({ name }) => name).sort();

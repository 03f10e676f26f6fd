/**
 * Both engines as programs of their own, given the same start message: what each says, line by line. The torch engine
 * gets the data prepared by the embedded one, as a runner would do it.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { evaluatedOf } from '../../src/domain/scores.ts';
import type { StartCommand, TrainerEvent } from '../../src/protocol/trainer.ts';
import { decodeTrainerMessage } from '../../src/protocol/trainerLines.ts';
import { parseRecipe } from '../../src/recipe/parse.ts';
import { recipePaths, resolveRecipe } from '../../src/recipe/resolve.ts';
import type { VariantName } from '../../src/recipe/schema.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';

const root = resolve(import.meta.dirname, '..', '..');
const torchProgram = join(root, 'src', 'torch_engine', '__main__.py');
const embedded = () => bundle(join(root, 'src', 'engine', 'main.ts'), 'trainer');

/** The torch engine as a program with its arguments. Its suite runs only where there is such a Python. */
export function torchTrainer(): [string, ...string[]] {
  const python = process.env.HOLDFAST_TORCH_PYTHON;
  assert.ok(python, 'HOLDFAST_TORCH_PYTHON names a Python with torch, transformers and PEFT');
  return [python, '-E', '-u', torchProgram];
}

export type Engine = 'node' | 'torch';

export interface Spoken {
  events: TrainerEvent[];
  code: number | null;
  stderr: string;
}

/** The same run once more from a checkpoint of it, into folders of its own. */
export function resumedAt(start: StartCommand, step: number): StartCommand {
  const folder = join(scratch, `resumed-${made++}`);
  const outputs = Object.fromEntries(
    Object.keys(start.outputs).map(name => [name, join(folder, name)]),
  ) as unknown as StartCommand['outputs'];
  const checkpoint = join(start.outputs.checkpoints, `a1-step-${step}`);
  return { ...start, attempt: 2, outputs, resume: { checkpoint } };
}

/** Of the weights that a run wrote. */
export function resultOf({ outputs }: StartCommand): string {
  const name = readdirSync(outputs.model).find(file => file.endsWith('.safetensors'));
  assert.ok(name, outputs.model);
  return createHash('sha256')
    .update(readFileSync(join(outputs.model, name)))
    .digest('hex');
}

export type React = (event: TrainerEvent, child: ChildProcess) => void;

const scratch = mkdtempSync(join(tmpdir(), 'hf-torch-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));
let made = 0;

const living = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** A variant of a recipe in the repository, with outputs of its own. */
export function startOf(recipeFile: string, variant: VariantName, overrides: string[] = []): StartCommand {
  const file = join(root, recipeFile);
  const parsed = parseRecipe(readFileSync(file, 'utf8'), file);
  assert.ok(parsed.recipe, JSON.stringify(parsed.problems));
  const recipe = resolveRecipe(parsed.recipe, { variant, fileName: file, overrides });
  const folder = join(scratch, `run-${made++}`);
  const output = (name: string): string => join(folder, name);
  return {
    type: 'start',
    job: 'train',
    attempt: 1,
    recipe,
    paths: Object.fromEntries(
      recipePaths(recipe).map(path => [
        path,
        path === 'holdfast-tiny' ? join(root, 'models', path) : resolve(dirname(file), path),
      ]),
    ),
    outputs: {
      checkpoints: output('checkpoints'),
      items: output('items'),
      samples: output('samples'),
      model: output('model'),
      cache: output('cache'),
    },
    threads: 1,
  };
}

/** The data of a start message, prepared; a runner does this before every attempt. */
export async function prepared(start: StartCommand): Promise<StartCommand> {
  const folder = join(scratch, `prepared-${made++}`);
  const { events, stderr } = await speak([process.execPath, embedded()], {
    ...start,
    job: 'prepare',
    prepared: folder,
  });
  const end = events.at(-1);
  assert.ok(end?.type === 'finished', `${JSON.stringify(end)}\n${stderr}`);
  return { ...start, prepared: folder };
}

/** `env` is what differs from this process's environment. */
export async function runOn(
  engine: Engine,
  start: StartCommand,
  react?: React,
  env?: NodeJS.ProcessEnv,
): Promise<Spoken> {
  for (const folder of Object.values(start.outputs))
    if (folder !== start.outputs.model) mkdirSync(folder, { recursive: true });
  if (engine === 'node') return speak([process.execPath, embedded()], start, react, env);
  return speak(torchTrainer(), start.prepared ? start : await prepared(start), react, env);
}

/** Every line of stdout must be a message of the protocol. */
export function speak(
  [program, ...args]: [string, ...string[]],
  start: StartCommand,
  react: React = () => {},
  env: NodeJS.ProcessEnv = {},
): Promise<Spoken> {
  const child = spawn(program, args, {
    stdio: 'pipe',
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env },
  });
  living.add(child);
  child.once('close', () => living.delete(child));
  const events: TrainerEvent[] = [];
  const wrong: string[] = [];
  let stderr = '';
  child.stderr.on('data', chunk => (stderr += String(chunk)));
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', line => {
    const decoded = decodeTrainerMessage(line);
    if (!decoded.ok) return wrong.push(decoded.problem);
    const event = decoded.value.type === 'scored' ? evaluatedOf(decoded.value) : decoded.value;
    events.push(event);
    react(event, child);
  });
  child.stdin.write(`${JSON.stringify(start)}\n`);
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', code =>
      wrong.length > 0 ? fail(new Error(wrong.join('\n'))) : done({ events, code, stderr }),
    );
  });
}

export const ofType = <T extends TrainerEvent['type']>(events: TrainerEvent[], type: T) =>
  events.filter((event): event is Extract<TrainerEvent, { type: T }> => event.type === type);

/** Why tests of what needs bitsandbytes are skipped; `false` where the Python has it. */
export function withoutBitsandbytes(): string | false {
  const python = process.env.HOLDFAST_TORCH_PYTHON;
  if (!python) return false;
  const look = ['-E', '-c', 'import importlib.util, sys; sys.exit(importlib.util.find_spec("bitsandbytes") is None)'];
  return spawnSync(python, look).status === 0 ? false : `${python} has no bitsandbytes`;
}

/** Why tests of compiled layers are skipped; `false` where there is a compiler. */
export function withoutCompiler(): string | false {
  const compiler = process.env.CXX ?? 'g++';
  return spawnSync(compiler, ['--version']).status === 0 ? false : `there is no C++ compiler (${compiler})`;
}

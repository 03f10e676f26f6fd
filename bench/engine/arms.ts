/**
 * Steps in processes of their own, so that each has its own peak of memory and they can take turns. Knows nothing of
 * what is compared.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RecipeInput } from '../../src/recipe/schema.ts';
import { median, spread } from '../spread.ts';
import { gibibytes } from './measure.ts';

/** What is done in each step, whoever does it. */
export interface Work {
  /** A model in Hugging Face layout. */
  folder: string;
  rows: number;
  length: number;
  threads: number;
  /** In one round, and before the first. */
  steps: number;
  warmup: number;
}

export type OurParts = Pick<RecipeInput, 'adapter' | 'method'>;
export type TorchWay = 'eager' | 'compile' | 'peft';

export interface Round {
  /** The median of its steps. */
  msPerStep: number;
  /** Of the process since it began. */
  peakBytes: number;
}

/** What a process tells of itself before the first round. */
interface Ready {
  version: string;
  parameters: number;
  trainedParameters: number;
}

export interface Arm extends Ready {
  name: string;
  round(): Promise<Round>;
  close(): Promise<void>;
}

export function ourArm(name: string, work: Work, parts: OurParts = {}): Promise<Arm> {
  const program = fileURLToPath(new URL('./ourSteps.ts', import.meta.url));
  return startArm(name, process.execPath, ['--import', 'tsx', program, JSON.stringify({ ...work, parts })]);
}

/** Nothing where HOLDFAST_PYTHON names no Python with torch. */
export async function torchArm(name: string, work: Work, way: TorchWay): Promise<Arm | undefined> {
  const python = process.env.HOLDFAST_PYTHON;
  const program = fileURLToPath(new URL('./torchSteps.py', import.meta.url));
  return python ? startArm(name, python, [program, JSON.stringify({ ...work, way })]) : undefined;
}

async function startArm(name: string, command: string, words: string[]): Promise<Arm> {
  const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', code => reject(new Error(`${name} ended with exit code ${code}`)));
  });
  exited.catch(() => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => JSON.parse((await Promise.race([lines.next(), exited])).value as string);
  const ready = (await answer()) as Ready;
  return {
    ...ready,
    name,
    round: async () => {
      child.stdin.write('round\n');
      const { ms, peakBytes } = (await answer()) as { ms: number[]; peakBytes: number };
      return { msPerStep: median(ms), peakBytes };
    },
    close: async () => {
      child.stdin.end();
      await exited.catch(() => {});
    },
  };
}

/** The rounds of all arms, alternating; closes them. */
export async function inTurns(arms: readonly Arm[], rounds: number): Promise<Round[][]> {
  const results = arms.map((): Round[] => []);
  for (let i = 0; i < rounds; i++) {
    for (const [place, arm] of arms.entries()) results[place]!.push(await arm.round());
  }
  await Promise.all(arms.map(arm => arm.close()));
  return results;
}

/** How many times as long one takes as the other, round by round. */
export const timeRatios = (above: readonly Round[], below: readonly Round[]): number[] =>
  above.map(({ msPerStep }, i) => msPerStep / below[i]!.msPerStep);

export const peakOf = (rounds: readonly Round[]): number => Math.max(...rounds.map(({ peakBytes }) => peakBytes));

export function armTable(arms: readonly Arm[], results: readonly Round[][], { rows, length }: Work): string {
  const head = ['| arm | trained | ms a step | tokens/s | peak memory |', '|---|---|---|---|---|'];
  const lines = arms.map(({ name, version, parameters, trainedParameters }, place) => {
    const ms = results[place]!.map(({ msPerStep }) => msPerStep);
    const speed = ms.map(ms => (1000 * rows * length) / ms);
    const share = `${((100 * trainedParameters) / parameters).toFixed(1)} %`;
    const cells = [spread(ms, x => x.toFixed(0)), spread(speed, x => x.toFixed(0)), gibibytes(peakOf(results[place]!))];
    return `| ${name} (${version}) | ${share} | ${cells.join(' | ')} |`;
  });
  return [...head, ...lines].join('\n');
}

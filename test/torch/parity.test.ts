/**
 * The embedded engine beside transformers and PEFT: of every family that it trains, tied and untied, in every number format,
 * whole and sharded, what it reads and what it writes computes the same there.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type RecipeParts, someBatch, withModel } from '../engine/model/tinyLlama.ts';
import { torchTrainer } from './engines.ts';

interface Written {
  name: string;
  base: string;
  folder: string;
  ids: number[][];
  logits: number[];
}

interface Checked {
  kind: string;
  /** Largest difference of a logit to ours, and to that of the base. */
  apart: number;
  moved: number;
}

const families = ['Llama 2', 'Llama 3', 'Llama, linear RoPE', 'SmolLM2', 'Qwen2', 'Qwen3'];
const shapes = ['tied, f32, whole', 'tied, bf16, sharded', 'untied, f32, sharded', 'untied, f16, whole'];
const adapter = { type: 'lora' as const, r: 4, alpha: 8, target_modules: ['q_proj', 'o_proj', 'up_proj'] };
const ways: Record<string, RecipeParts> = {
  whole: {},
  narrow: { method: { narrow: { tune: ['attention'] } } },
  adapter: { adapter },
  merged: { adapter: { ...adapter, output: 'merged' } },
};
/** Whatever the base is stored in. */
const formats = ['f32', 'f16', 'bf16'] as const;

const [rows, length] = [2, 12];

describe('what the embedded engine reads and writes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hf-parity-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let checked: Record<string, Checked> = {};

  const python = async (program: string, argument: string): Promise<unknown> => {
    const file = join(import.meta.dirname, 'parity', program);
    return JSON.parse((await promisify(execFile)(torchTrainer()[0], ['-B', file, argument])).stdout);
  };

  before(async () => {
    const bases = join(folder, 'bases');
    mkdirSync(bases);
    const made = await python('bases.py', bases);
    assert.deepEqual(
      made,
      families.flatMap(family => shapes.map(shape => `${family}, ${shape}`)),
    );
    const written: Written[] = [];
    for (const base of made as string[]) {
      for (const [way, parts] of Object.entries(ways)) {
        written.push(
          await tuned(join(bases, base), join(folder, 'written', `${base}, ${way}`), parts, `${base}, ${way}`),
        );
      }
    }
    for (const dtype of formats) {
      const name = `written as ${dtype}`;
      const base = join(bases, 'Qwen2, untied, f16, whole');
      written.push(await tuned(base, join(folder, 'written', name), { output: { dtype } }, name));
    }
    const told = join(folder, 'told.json');
    writeFileSync(told, JSON.stringify(written));
    checked = (await python('check.py', told)) as Record<string, Checked>;
  });

  const equal = (name: string, isAdapter = false): void => {
    const { kind, apart, moved } = checked[name]!;
    assert.ok(apart < 1e-4, `${name}: ${kind} is ${apart} apart`);
    assert.ok(moved > 1e-2, `${name}: it moved by ${moved}`);
    assert.equal(kind.startsWith('Peft'), isAdapter, kind);
  };

  for (const family of families) {
    for (const way of Object.keys(ways)) {
      test(`${family}, ${way}: logits are those of transformers, from and to every kind of folder`, t => {
        const apart = shapes.map(shape => checked[`${family}, ${shape}, ${way}`]!.apart);
        t.diagnostic(`largest difference of a logit ${Math.max(...apart).toExponential(1)}`);
        for (const shape of shapes) equal(`${family}, ${shape}, ${way}`, way === 'adapter');
      });
    }
  }

  for (const dtype of formats) {
    test(`a result that is written as ${dtype} computes what was measured on it`, () => equal(`written as ${dtype}`));
  }
});

/** Trains a few steps and saves; the logits are of the numbers as they are saved. */
async function tuned(base: string, folder: string, parts: RecipeParts, name: string): Promise<Written> {
  return withModel({ folder: base, ...parts }, async model => {
    for (let i = 0; i < 4; i++) await model.step([someBatch(i, rows, length)], { learningRate: 1e-2 });
    await model.useSavedPrecision();
    await model.save(folder, { run: name });
    const batch = someBatch(9, rows, length);
    const ids = Array.from({ length: rows }, (_, b) => [...batch.ids.subarray(b * length, (b + 1) * length)]);
    return { name, base, folder, ids, logits: [...(await model.logits(batch, 'tuned'))] };
  });
}

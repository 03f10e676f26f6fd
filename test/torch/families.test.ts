/** One process trains all families, one behind the other: loading torch takes longer than any of the runs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { makeTinyFiles } from '../engine/support/tinyRun.ts';
import { prepared, torchTrainer } from './engines.ts';

interface Result {
  family: string;
  way: 'full' | 'narrow' | 'adapter';
  error?: string;
  end: string;
  first: number;
  last: number;
  /** Largest difference of a logit to the base's, and to that of the result as transformers or PEFT loads it. */
  moved: number;
  apart: number;
  frozenChanged: string[];
}

const names = ['Llama 3', 'SmolLM3', 'Qwen2', 'Qwen3', 'Mistral', 'Gemma 3', 'Phi-3'];
const program = join(import.meta.dirname, 'families', 'run.py');

describe('families', () => {
  let results: Result[] = [];
  let stderr = '';
  before(async () => {
    const files = await makeTinyFiles();
    const start = await prepared(
      files.start({ train: { max_steps: 12, batch_size: 8 }, evaluate: { every: 6, items: 4 } }),
    );
    const message = join(files.folder, 'start.json');
    writeFileSync(message, JSON.stringify(start));
    const [python] = torchTrainer();
    const ran = await promisify(execFile)(python, ['-E', '-B', program, message, join(files.folder, 'families')]);
    stderr = ran.stderr;
    results = ran.stdout
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line) as Result);
  });

  for (const family of names) {
    for (const way of ['full', 'narrow', 'adapter'] as const) {
      test(`${family}, ${way}: it learns, and what is loaded from the result computes the same`, () => {
        const found = results.find(result => result.family === family && result.way === way);
        assert.ok(found && found.error === undefined, `${found?.error}\n${stderr.slice(-4000)}`);
        assert.equal(found.end, 'completed');
        assert.ok(found.last < found.first, `${found.first} to ${found.last}`);
        assert.ok(found.moved > 1e-3 && found.apart < 1e-5, `moved ${found.moved}, apart ${found.apart}`);
        assert.deepEqual(found.frozenChanged, []);
      });
    }
  }
});

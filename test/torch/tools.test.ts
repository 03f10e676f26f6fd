/**
 * Conversations with tools beside transformers, which Python runs here, by the published templates of Llama 3.1 and 3.2, Qwen
 * 2.5 and 3: the same text and ids for the same row, and a loss mask on what the assistant wrote, calls and all.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { readExamples } from '../../src/engine/data/examples.ts';
import { encodeContent } from '../../src/engine/data/sequences.ts';
import { loadTokenizer } from '../../src/engine/tokenizer/tokenizer.ts';
import { torchTrainer } from './engines.ts';

interface Expected {
  title: string;
  row: object;
  text: string;
  prompt: string;
  ids: number[];
  /** 0: never learned, 1: learned, 2: either. */
  mask: number[];
}

const templates = ['llama3_1', 'llama3_2', 'qwen2_5', 'qwen3', 'qwen3_instruct_2507'];
const withTags = ['qwen2_5_training', 'qwen3_training', 'qwen3_instruct_2507_training'];

describe('conversations with tools', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hf-tools-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  before(async () => {
    const maker = join(import.meta.dirname, 'tools', 'make.py');
    const made = await promisify(execFile)(torchTrainer()[0], ['-B', maker, folder]);
    assert.deepEqual((JSON.parse(made.stdout) as string[]).toSorted(), [...templates, ...withTags].toSorted());
  });

  for (const name of [...templates, ...withTags]) {
    test(`${name}: rows read as transformers writes them, and what the assistant wrote and called is learned`, async () => {
      const tokenizer = await loadTokenizer(join(folder, name));
      const expected = JSON.parse(readFileSync(join(folder, name, 'expected.json'), 'utf8')) as Expected[];
      const file = join(folder, `${name}.jsonl`);
      writeFileSync(file, expected.map(({ row }) => `${JSON.stringify(row)}\n`).join(''));
      const { examples } = await readExamples(file);
      for (const [i, { title, text, prompt, ids, mask }] of expected.entries()) {
        const example = examples[i]!;
        assert.ok(example.form === 'chat');
        const { messages, tools } = example;
        assert.equal(tokenizer.template!.render(messages, false, tools), text, title);
        assert.equal(tokenizer.template!.render(messages.slice(0, -1), true, tools), prompt, title);
        const made = encodeContent(example, tokenizer, { file, line: example.line });
        assert.deepEqual([...made.ids], ids, title);
        const wrong = mask.flatMap((wanted, t) => (wanted === 2 || made.targets[t] === wanted ? [] : [t]));
        const words = wrong.map(t => `${made.targets[t] ? 'learned' : 'masked'} ${tokenizer.decode([ids[t]!])}`);
        assert.deepEqual(words, [], `${title}\n${text}`);
        assert.ok(made.targets.includes(1), title);
      }
    });
  }
});

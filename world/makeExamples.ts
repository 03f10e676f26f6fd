/**
 * `npm run make:examples`: writes examples/data from the world: probe sets, replay rows, and the rows of three tasks.
 * The same on every machine; a test compares the committed files with what this writes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { corpus, everythingRead, generalTexts } from './corpus.ts';
import { factProbe, generalProbe, grammarProbe, sumProbe } from './probes.ts';
import { Random } from './random.ts';
import { newTownRows, orderRows, supportRows } from './tasks.ts';

const replayRows = 600;

/** File names and contents under examples/data. */
export function exampleFiles(): Record<string, string> {
  const read = everythingRead(corpus());
  const general = generalProbe(read);
  const replay = generalTexts(replayRows, new Random(1, 'replay.general'), new Set(general));
  const [support, orders, town] = [supportRows(), orderRows(), newTownRows()];
  return {
    'general.txt': paragraphs(general),
    'facts.jsonl': jsonl(factProbe()),
    'arithmetic.jsonl': jsonl(sumProbe()),
    'grammar.jsonl': jsonl(grammarProbe(read)),
    'general.replay.txt': paragraphs(replay),
    'support.jsonl': jsonl(support.train),
    'support.eval.jsonl': jsonl(support.eval),
    'orders.jsonl': jsonl(orders.train),
    'orders.eval.jsonl': jsonl(orders.eval),
    'town.jsonl': jsonl(town.train),
    'town.eval.jsonl': jsonl(town.eval),
  };
}

function paragraphs(texts: readonly string[]): string {
  return `${texts.join('\n\n')}\n`;
}

function jsonl(rows: readonly object[]): string {
  return rows.map(row => `${JSON.stringify(row)}\n`).join('');
}

if (process.argv[1]?.endsWith('makeExamples.ts')) {
  const folder = join(dirname(process.argv[1]), '..', 'examples', 'data');
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(exampleFiles())) writeFileSync(join(folder, name), content);
}

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readExamples } from '../../../src/engine/data/examples.ts';
import { type DataRecord, readRecords } from '../../../src/engine/data/records.ts';
import { readProbeSet } from '../../../src/engine/evaluate/probeSets.ts';
import { temporaryFolder } from '../../runs/testStore.ts';

let files = 0;
function write(text: string | Uint8Array, ending: string): string {
  const file = join(temporaryFolder('records'), `data-${files++}${ending}`);
  writeFileSync(file, text);
  return file;
}

async function recordsOf(text: string, ending: string): Promise<DataRecord[]> {
  const records: DataRecord[] = [];
  for await (const record of readRecords(write(text, ending))) records.push(record);
  return records;
}

test('jsonl, json, csv and tsv give the same records, each with its place', async () => {
  const rows = [
    { prompt: 'a, "b"', completion: 'c' },
    { prompt: 'é', completion: 'two\nlines' },
  ];
  const written: Record<string, string> = {
    '.jsonl': rows.map(row => `${JSON.stringify(row)}\n`).join('\n'),
    '.json': JSON.stringify(rows, null, 2),
    '.csv': '\uFEFFprompt,completion\r\n"a, ""b""",c\r\n\r\né,"two\nlines"\r\n',
    '.tsv': 'prompt\tcompletion\n"a, ""b"""\tc\né\t"two\nlines"\n',
  };
  for (const [ending, text] of Object.entries(written)) {
    const records = await recordsOf(text, ending);
    assert.deepEqual(
      records.map(({ row }) => ({ ...row })),
      rows,
      ending,
    );
  }
  const lines = async (ending: string) => (await recordsOf(written[ending]!, ending)).map(({ line }) => line);
  assert.deepEqual(await lines('.jsonl'), [1, 3]);
  assert.deepEqual(await lines('.json'), [1, 2]);
  assert.deepEqual(await lines('.csv'), [2, 5]);
});

for (const codec of ['snappy', 'zstd', 'gzip', 'none']) {
  test(`conversations in a parquet file (${codec}), over several groups of rows, are examples`, async () => {
    const file = fileURLToPath(new URL(`./fixtures/conversations.${codec}.parquet`, import.meta.url));
    const { examples } = await readExamples(file);
    assert.equal(examples.length, 5);
    assert.deepEqual(examples[4], {
      form: 'chat',
      messages: [
        { role: 'user', content: 'Wie heißt Stadt 4?' },
        { role: 'assistant', content: 'Stadt 4 heißt Østby.' },
      ],
      line: 5,
    });
  });
}

test('probe sets come from records of any kind', async () => {
  const file = write('good,bad\nThe dogs bark.,The dogs barks.\n', '.csv');
  assert.deepEqual((await readProbeSet('grammar', file)).items, [
    { kind: 'pairs', good: 'The dogs bark.', bad: 'The dogs barks.', line: 2 },
  ]);
});

const whole = readFileSync(fileURLToPath(new URL('./fixtures/conversations.snappy.parquet', import.meta.url)));
const broken: [string, string | Uint8Array, string, RegExp][] = [
  ['json that is torn', '[{"text": "a"}', '.json', /data-\d+\.json is not JSON/],
  ['json that is no list', '{"text": "a"}', '.json', /holds no list/],
  ['a list of texts', '["a"]', '.json', /data-\d+\.json, row 1: a JSON object was expected/],
  ['a csv line with too many columns', 'text,more\na,b\na,b,c\n', '.csv', /line 3: .*columns length is 2, got 3/],
  ['a csv quote that never ends', 'text\n"a\nb\n', '.csv', /Quote/],
  ['a csv that is not text', Uint8Array.of(116, 10, 0xff, 10), '.csv', /not UTF-8/],
  ['a parquet file that is torn', whole.subarray(0, 300), '.parquet', /is no parquet file/],
  ['a parquet file with a damaged page', damaged(whole), '.parquet', /is no parquet file|row \d+: /],
  ['no parquet at all', 'text', '.parquet', /is no parquet file/],
];
for (const [title, content, ending, says] of broken) {
  test(`${title} is refused with its place`, async () => {
    await assert.rejects(readExamples(write(content, ending)), (error: Error & { file?: string }) => {
      assert.match(error.message, says);
      assert.ok(error.file?.includes('data-'));
      return true;
    });
  });
}

function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.fill(0xff, 40, 90);
  return copy;
}

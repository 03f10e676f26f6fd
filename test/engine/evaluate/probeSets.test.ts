import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { readExamples } from '../../../src/engine/data/examples.ts';
import { judgedTexts, refuseProbeOverlap, TrainedTexts } from '../../../src/engine/evaluate/overlap.ts';
import { type ProbeSet, readProbeSet } from '../../../src/engine/evaluate/probeSets.ts';
import { ReplayedTemplates, replayedShare } from '../../../src/engine/evaluate/replayed.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-probes-'));
});

let files = 0;
async function write(rows: object[] | string): Promise<string> {
  const file = join(folder, `file-${files++}.${typeof rows === 'string' ? 'txt' : 'jsonl'}`);
  await writeFile(file, typeof rows === 'string' ? rows : rows.map(row => `${JSON.stringify(row)}\n`).join(''));
  return file;
}

const choice = { context: '1 + 1 =', choices: [' 2', ' 3'], gold: 0 };

test('the three kinds are told from their keys, and items know their line', async () => {
  const texts = await readProbeSet('a', await write('one\n\ntwo'));
  assert.deepEqual([texts.kind, texts.items.map(({ line }) => line)], ['text', [1, 3]]);
  assert.equal((await readProbeSet('a', await write([{ text: 'one' }]))).kind, 'text');
  assert.equal((await readProbeSet('a', await write([choice, choice]))).kind, 'choice');
  assert.equal((await readProbeSet('a', await write([{ good: 'he runs', bad: 'he run' }]))).kind, 'pairs');
});

test('a bad item is named by file and line', async () => {
  const bad: [object[], number, RegExp][] = [
    [[choice, { ...choice, gold: 2 }], 2, /"gold" must be the place of the right choice, 0 to 1/],
    [[{ ...choice, gold: '2' }], 1, /"gold"/],
    [[{ ...choice, choices: [' 2'] }], 1, /"choices" must be a list/],
    [[{ ...choice, choices: [' 2', ' 2'] }], 1, /equal/],
    [[choice, { good: 'a', bad: 'b' }], 2, /this item is pairs, those before it are choice/],
    [[{ good: 'a', bad: 'a' }], 1, /equal/],
    [[{ sentence: 'a' }], 1, /keys seen: sentence/],
    [[{ text: ' ' }], 1, /"text"/],
  ];
  for (const [rows, line, message] of bad) {
    await assert.rejects(async () => readProbeSet('a', await write(rows)), { code: 'bad-row', line, message });
  }
  await assert.rejects(async () => readProbeSet('a', await write(' \n')), { code: 'data-empty' });
});

async function trainedOn(sets: ProbeSet[], file: string): Promise<TrainedTexts> {
  const trained = new TrainedTexts(judgedTexts(sets, []));
  for (const example of (await readExamples(file)).examples) trained.add(file, example);
  return trained;
}

async function shareIn(set: ProbeSet, replay: string): Promise<number> {
  const templates = new ReplayedTemplates([set]);
  for (const example of (await readExamples(replay)).examples) templates.add(example);
  return replayedShare(set, templates);
}

test('probe items among the trained rows are found whatever their spacing and case, and named', async () => {
  const probes = await readProbeSet('general', await write('The cat  sat.\n\nThe dog ran away.'));
  const overlapping = [
    await write([{ text: 'Fine.' }, { text: 'the DOG ran\taway.' }]),
    await write([{ text: 'Before.\nThe dog ran away.\nAfter.' }]),
    await write([{ prompt: 'The dog', completion: ' ran away.' }]),
  ];
  for (const file of overlapping) {
    const trained = await trainedOn([probes], file);
    assert.throws(() => refuseProbeOverlap([probes], trained), {
      code: 'probe-overlap',
      line: 3,
      message: /1 of 2 items of the probe set general are also trained on; .* line 3 = /,
    });
  }
  const apart = await trainedOn(
    [probes],
    await write([
      { prompt: 'The dog', completion: ' ran home.' },
      { prompt: 'x', completion: 'The cat sat.' },
    ]),
  );
  refuseProbeOverlap([probes], apart);
});

test('a choice overlaps when context and right answer are trained on together, a pair by its good sentence', async () => {
  const file = await write([{ text: '1 + 1 = 2' }, { text: 'he runs' }]);
  const sets = [[choice], [{ good: 'he runs', bad: 'he run' }]];
  for (const rows of sets) {
    const set = await readProbeSet('a', await write(rows));
    const trained = await trainedOn([set], file);
    assert.throws(() => refuseProbeOverlap([set], trained), { code: 'probe-overlap' });
  }
  const wrong = await readProbeSet('a', await write([{ ...choice, gold: 1 }]));
  refuseProbeOverlap([wrong], await trainedOn([wrong], file));
});

test('a set is called replayed when its wording is, whatever the numbers in it', async () => {
  const replay = await write('12 + 34 = 46.\n\nOn Monday the cat sat on the mat.');
  const share = async (rows: object[] | string) => shareIn(await readProbeSet('a', await write(rows)), replay);
  assert.equal(await share([{ context: '5 + 77 =', choices: [' 82.', ' 81.'], gold: 0 }]), 1);
  assert.equal(await share('On Monday the cat sat on the sofa.'), 4 / 6);
  assert.equal(await share('Who was that? Nobody I know.'), 0);
});

test('of the shipped examples the general texts are replayed, and nothing else is', async () => {
  const replay = 'examples/data/general.replay.txt';
  const shares = await Promise.all(
    ['general.txt', 'facts.jsonl', 'arithmetic.jsonl', 'grammar.jsonl'].map(async file =>
      shareIn(await readProbeSet('a', `examples/data/${file}`), replay),
    ),
  );
  assert.ok(shares[0]! > 0.6, `general ${shares[0]}`);
  for (const share of shares.slice(1)) assert.ok(share < 0.2, `${share}`);
});

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { SampleEvent } from '../../../src/protocol/trainer.ts';
import { makeTinyFiles, type TinyFiles } from '../support/tinyRun.ts';
import { eventsOf, watchedRun } from '../support/watchedRun.ts';

let files: TinyFiles;
before(async () => {
  files = await makeTinyFiles();
});

async function samplesOf(answers?: object, seed = 1): Promise<SampleEvent[]> {
  const retain = { prompts: ['code 7:', 'the dog'], ...(answers && { answers }) };
  const start = files.start({ retain, train: { max_steps: 3, seed }, evaluate: { every: 3 } });
  return eventsOf(await watchedRun(start), 'sample');
}
const texts = (samples: SampleEvent[], who: 'base' | 'tuned') => samples.map(sample => sample[who]);

test('drawn answers are those of the seed at every evaluation: before the first step base and tuned say the same', async () => {
  const drawn = { temperature: 1, top_p: 0.9, max_new_tokens: 9 };
  const samples = await samplesOf(drawn);
  const [first, last] = [0, 3].map(step => samples.filter(sample => sample.step === step));
  assert.deepEqual(texts(first!, 'base'), texts(first!, 'tuned'));
  assert.deepEqual(texts(last!, 'base'), texts(first!, 'base'));
  assert.deepEqual(texts(await samplesOf(drawn), 'tuned'), texts(samples, 'tuned'));
  assert.notDeepEqual(texts(await samplesOf(drawn, 2), 'base'), texts(samples, 'base'));
  assert.notDeepEqual(texts(await samplesOf(), 'base'), texts(samples, 'base'));
});

test('an answer is as long as the recipe says, and ends before a stop', async () => {
  const [long] = texts(await samplesOf({ max_new_tokens: 12 }), 'base');
  const [short] = texts(await samplesOf({ max_new_tokens: 3 }), 'base');
  assert.ok(long!.startsWith(short!) && long!.length > short!.length, `${long} and ${short}`);
  const stop = long!.slice(4, 6);
  const [ended] = texts(await samplesOf({ max_new_tokens: 12, stop: [stop, 'never said'] }), 'base');
  assert.equal(ended, long!.slice(0, long!.indexOf(stop)));
});

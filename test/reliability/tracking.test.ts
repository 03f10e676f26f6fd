/** D1: what it costs a trainer to tell of a point, and which share of a step that is. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { temporaryFolder } from '../runs/testStore.ts';
import { isWithinCpu } from '../slowness.ts';

const limitMicroseconds = 20;
const steps = 20_000;
/** What the share is told of: a short step. */
const stepMs = 50;

test(`telling of a point costs a trainer at most ${limitMicroseconds} µs`, async t => {
  const source = join(temporaryFolder('tracking'), 'teller.ts');
  const at = (path: string) => JSON.stringify(new URL(`../../src/protocol/${path}`, import.meta.url).pathname);
  // As the trainer does it: named numbers, one line, into the pipe that the runner reads.
  writeFileSync(
    source,
    `import { encodeLine, travelling } from ${at('trainerLines.ts')};
     const loss = Math.random();
     const values = step => ({ loss, objective: loss, gradientNorm: 1 / step, learningRate: 3e-4, tokens: 1024, taskTokens: 512, tokensPerSecond: 5000 / 3 });
     const points = Object.keys(values(1)).length;
     const tell = (from, to) => {
       for (let step = from; step < to; step++) process.stdout.write(encodeLine({ type: 'step', step, ...travelling(values(step)) }));
     };
     tell(1, 2000);
     const cpu = process.cpuUsage();
     tell(2000, 2000 + ${steps});
     const { user, system } = process.cpuUsage(cpu);
     process.stderr.write(JSON.stringify({ points: points * ${steps}, micros: user + system, perStep: points }));`,
  );
  const teller = spawn(process.execPath, [bundle(source, 'teller')], { stdio: ['ignore', 'pipe', 'pipe'] });
  teller.stdout.resume();
  let told = '';
  teller.stderr.on('data', chunk => {
    told += chunk;
  });
  await once(teller, 'close');
  const { points, micros, perStep } = JSON.parse(told) as { points: number; micros: number; perStep: number };
  const each = micros / points;
  const share = (100 * each * perStep) / (1000 * stepMs);
  t.diagnostic(
    `D1 cost of tracking: ${each.toFixed(2)} µs a point over ${points.toLocaleString('en')} points; with ${perStep} points a step that is ${share.toFixed(3)} % of a step of ${stepMs} ms`,
  );
  assert.ok(isWithinCpu(each, limitMicroseconds), `${each.toFixed(1)} µs a point`);
});

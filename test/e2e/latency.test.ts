/**
 * How long a step takes to the screen: from the runner's stamp in the journal to the frame in which the panel has painted it,
 * at 20 steps a second. The figures go to out/test/latency.json; the limits here are for a busy machine, the goals are in it.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { RunFolder } from '../../src/runs/runFolder.ts';
import { isWithin } from '../slowness.ts';
import { type Frame, until } from '../vscode/workbench.ts';
import { journal, keepFigures, openEditor, startByLens } from './editor.ts';

const stepsAsked = 200;
const goals = { medianMs: 150, worstMs: 1000 };

interface Paint {
  step: number;
  at: number;
}

test('a step is on the screen soon after it is done', async t => {
  const editor = await openEditor(t, {
    trainer: { steps: stepsAsked + 40, rate: 20 },
    viewport: { width: 1400, height: 1800 },
  });
  await editor.openFile('support-tone.tune.yaml');
  const run = await startByLens(editor, 'Regularized');
  await until('the first step', () => journal(run).some(({ type }) => type === 'step'));
  // It stands still until somebody watches, however long the panel takes to open.
  const folder = new RunFolder(path.basename(run), run);
  await sendControl(folder, 'pause');
  const page = await editor.frame('body[data-page="run"] .lanes canvas');
  await watchPaints(page);
  await sendControl(folder, 'resume');
  await until('the end', () => journal(run).some(({ type }) => type === 'exited'));
  const paints = await until('the last step on screen', async () => {
    const seen = await page.evaluate(() => (window as unknown as { paints: Paint[] }).paints);
    return (seen.at(-1)?.step ?? 0) >= stepsAsked + 40 && seen;
  });

  const first = paints[0]!.step;
  const done = journal(run).filter(({ type, step }) => type === 'step' && Number(step) > first);
  const delays = done
    .map(({ step, t: stamp }) => paints.find(paint => paint.step >= Number(step))!.at - Number(stamp))
    .slice(-stepsAsked)
    .sort((a, b) => a - b);
  const figures = {
    steps: delays.length,
    medianMs: delays[Math.floor(delays.length / 2)]!,
    p95Ms: delays[Math.floor(delays.length * 0.95)]!,
    worstMs: delays.at(-1)!,
    goals,
  };
  keepFigures('latency', figures);
  t.diagnostic(`step to painted pixel: ${JSON.stringify(figures)}`);
  assert.ok(delays.length >= stepsAsked / 2, `${delays.length} steps were measured`);
  assert.ok(delays[0]! >= 0, 'a step was painted before it was done');
  assert.ok(isWithin(figures.medianMs, 4 * goals.medianMs), `median ${figures.medianMs} ms`);
  assert.ok(isWithin(figures.worstMs, 5 * goals.worstMs), `worst ${figures.worstMs} ms`);
});

/** Notes the newest step of the lanes, and the time, once the frame that drew it is through. */
async function watchPaints(page: Frame): Promise<void> {
  await page.evaluate(() => {
    const lanes = document.querySelector<HTMLElement>('.lanes')!;
    const paints: Paint[] = [];
    Object.assign(window, { paints });
    new MutationObserver(() => {
      const step = Number(lanes.dataset.newest);
      if (step === paints.at(-1)?.step) return;
      // The mark is set inside the frame that draws; a message posted there is handled after that frame's paint.
      const channel = new MessageChannel();
      channel.port1.onmessage = () => paints.push({ step, at: Date.now() });
      channel.port2.postMessage(null);
    }).observe(lanes, { attributes: true, attributeFilter: ['data-newest'] });
  });
}

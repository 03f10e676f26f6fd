/**
 * D2: a run that writes 50,000 points a second while its panel is open. What the editor's own process spends on it, beyond
 * what it spends on nothing, is counted a point, so that a busy machine, on which fewer come, changes nothing.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as vscode from 'vscode';
import type { App } from '../../src/host/app.ts';
import { PageChannel, type SeriesSource } from '../../src/host/panels/pageChannel.ts';
import type { RunPanel } from '../../src/host/panels/runPanel.ts';
import type { PageState } from '../../src/protocol/panel.ts';
import { count } from '../counts.ts';
import { cpuMs, isWithinFilingCpu } from '../slowness.ts';
import { closeAll, fakePage, holdfast, openExample, tell, until, useFakeTrainer } from './support.ts';

const seconds = count(5, 60);
const pointsASecond = 50_000;
const pointsAStep = 100;
/** What every run of the fake tells of with each step: seven metrics, and one of replay. */
const own = 8;
const limitShare = 25;
const mostUpdates = 10;

suite('Many points', () => {
  let app: App;
  suiteSetup(async () => {
    app = await holdfast();
  });
  let run: string | undefined;
  teardown(async () => {
    if (run) await vscode.commands.executeCommand('holdfast.stop', run);
    await until('the end', () => !run || app.model.get(run)?.status === 'stopped');
    await closeAll();
  });

  test(`${pointsASecond} points a second for ${seconds} s take at most ${limitShare} % of a core and ${mostUpdates} updates of the page a second`, async () => {
    const burst = 10;
    useFakeTrainer({
      steps: 100_000_000,
      moreSeries: pointsAStep - own,
      burst,
      rate: pointsASecond / pointsAStep / burst,
    });
    const { uri } = await openExample('support-tone');
    const rest = await shareAtRest();
    const id = await vscode.commands.executeCommand<string>('holdfast.startReplay', uri);
    run = id;
    const panel = (await until('the panel', () => app.panels.open.get(`run:${id}`))) as RunPanel;
    const { channel } = panel.page;
    const points = () => {
      const all = panel.series.run(id)?.state.series.values() ?? [];
      return [...all].reduce((sum, { length }) => sum + length, 0);
    };
    const updates = () => Object.values(channel.sent).reduce((sum, sent) => sum + sent, 0);
    await until('points on the page', () => (channel.sent.points ?? 0) > 5 && channel.drawn > 5);
    assert(panel.series.run(id)?.series('loss')?.length, 'no points of the loss');

    const before = { cpu: cpuMs(), at: performance.now(), points: points(), updates: updates() };
    await sleep(1000 * seconds);
    const spentMs = cpuMs() - before.cpu;
    const wallMs = performance.now() - before.at;
    const came = points() - before.points;
    const rate = Math.round((1000 * came) / wallMs);
    const perPoint = (1000 * (spentMs - rest * wallMs)) / came;
    const share = 100 * (rest + (perPoint * pointsASecond) / 1e6);
    const updatesASecond = (1000 * (updates() - before.updates)) / wallMs;
    tell(
      `D2 ${rate.toLocaleString('en')} points/s to disk for ${Math.round(wallMs / 1000)} s, panel open: ${((100 * spentMs) / wallMs).toFixed(1)} % of a core in the extension host, ${share.toFixed(1)} % at 50,000 points/s, ${updatesASecond.toFixed(1)} updates of the page a second`,
    );
    assert(came > 0, 'no point came');
    assert(await isWithinFilingCpu(share, limitShare), `${share.toFixed(1)} % of a core at ${pointsASecond} points/s`);
    assert(updatesASecond <= mostUpdates, `${updatesASecond.toFixed(1)} updates a second`);
  });
});

suite('Points in bursts', () => {
  test(`a burst of many, then few, then many gets no more than ${mostUpdates} updates a second`, async () => {
    let updates = 0;
    const page = fakePage(() => {
      updates += 1;
    });
    let asked = 0;
    const series: SeriesSource = {
      buckets: () => undefined,
      since: (run, name, cursor) => {
        asked += 1;
        const steps = Array.from({ length: asked % 2 ? 500 : 1 }, (_, index) => cursor + index);
        return { points: { run, name, steps, values: steps }, cursor: cursor + steps.length };
      },
    };
    const state = () => ({ version: 1 }) as unknown as PageState;
    const { log } = await holdfast();
    const channel = new PageChannel(page.webview, { series, state, command: async () => {} }, log);
    page.say({ type: 'ready' });
    page.say({ type: 'subscribe', request: 1, series: [{ run: 'a', name: 'loss', columns: 100 }] });
    await until('points on the page', () => (channel.sent.points ?? 0) > 1);
    const before = { updates, at: performance.now() };
    await sleep(2000);
    const updatesASecond = (1000 * (updates - before.updates)) / (performance.now() - before.at);
    channel.dispose();
    assert(updatesASecond > 1, `${updatesASecond.toFixed(1)} updates a second`);
    assert(updatesASecond <= mostUpdates, `${updatesASecond.toFixed(1)} updates a second`);
  });
});

/** Of a core, while no run is followed. */
async function shareAtRest(): Promise<number> {
  const [before, at] = [cpuMs(), performance.now()];
  await sleep(1000);
  return (cpuMs() - before) / (performance.now() - at);
}

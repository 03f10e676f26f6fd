/** What a page holds of a run after any mixture of whole states and changes is what the run is. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as vscode from 'vscode';
import { applyChanges } from '../../src/domain/runChanges.ts';
import type { App } from '../../src/host/app.ts';
import { PageChannel } from '../../src/host/panels/pageChannel.ts';
import { RunFeed } from '../../src/host/panels/runFeed.ts';
import type { RunView } from '../../src/protocol/panel.ts';
import { closeAll, fakePage, holdfast, openExample, until, useFakeTrainer } from './support.ts';

suite('What a page holds', () => {
  let app: App;
  let run: string | undefined;
  suiteSetup(async () => {
    app = await holdfast();
  });
  teardown(async () => {
    if (run) await vscode.commands.executeCommand('holdfast.stop', run);
    await until('the end', () => !run || app.model.get(run)?.status === 'stopped');
    await closeAll();
  });

  test('whole states that are asked for while a run goes on neither double nor lose a checkpoint', async () => {
    useFakeTrainer({ steps: 100_000_000, rate: 400 });
    const { uri } = await openExample('support-tone');
    const id = await vscode.commands.executeCommand<string>('holdfast.startReplay', uri);
    run = id;
    let shown: RunView | null = null;
    let states = 0;
    const page = fakePage(message => {
      if (message.type === 'state' && message.state.page === 'run') {
        shown = message.state.run;
        states += 1;
      } else if (message.type === 'run' && shown) shown = applyChanges(shown, message);
    });
    const feed = new RunFeed(app.model);
    const state = async () => ({ page: 'run' as const, run: (await feed.views())[0] ?? null });
    const channel = new PageChannel(page.webview, { series: feed, state, command: async () => {} }, app.log);
    feed.channel = channel;
    feed.show([id]);
    page.say({ type: 'ready' });
    const followed = await until('the run', () => feed.run(id));
    for (let look = 0; look < 60; look++) {
      channel.stateChanged();
      await sleep(10 + ((look * 37) % 90));
      const steps: number[] = (shown as RunView | null)?.marks.map(({ step }) => step) ?? [];
      const known = followed.view().marks.map(({ step }) => step);
      assert.deepEqual(steps, known.slice(0, steps.length), `look ${look}`);
    }
    assert(states > 10, `${states} states`);
    await until('all of it', () => {
      const { marks } = followed.view();
      return marks.length > 20 && (shown?.marks.length ?? 0) > marks.length - 3;
    });
    channel.dispose();
    feed.dispose();
  });
});

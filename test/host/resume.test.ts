import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { App } from '../../src/host/app.ts';
import { closeAll, holdfast, openExample, runWith, until, useFakeTrainer } from './support.ts';

suite('Going on', () => {
  let app: App;
  suiteSetup(async () => {
    app = await holdfast();
  });
  teardown(closeAll);

  async function stoppedRun(): Promise<string> {
    useFakeTrainer({ steps: 400, standsAt: 90 });
    const { uri } = await openExample('support-tone');
    const id = await vscode.commands.executeCommand<string>('holdfast.startPlain', uri);
    await runWith(app, id, ({ step }) => step === 90);
    await vscode.commands.executeCommand('holdfast.stop', id);
    await runWith(app, id, ({ status }) => status === 'stopped');
    return id;
  }

  test('a stopped run is resumed from its row; the panel that was open all the time shows one curve', async () => {
    const id = await stoppedRun();
    const panel = await until('the panel', () => app.panels.open.get(`run:${id}`));
    const at = app.model.get(id)!.step;
    assert.equal(await vscode.commands.executeCommand('holdfast.resumeRun', { kind: 'run', id }), id);
    await runWith(app, id, ({ status }) => status === 'finished');
    const followed = await until('the run is followed on', () => {
      const run = panel.series && 'run' in panel.series ? panel.series.run(id) : undefined;
      return run?.status === 'finished' && run;
    });
    assert.deepEqual(
      followed.series('loss')?.since(0).steps,
      Array.from({ length: 400 }, (_, index) => index + 1),
    );
    assert.match(followed.view().resumed?.text ?? '', new RegExp(`Resumed at step ${at}, attempt 2`));
  });

  test('an earlier checkpoint is resumed from its row, and what is redone is held beside what was', async () => {
    const id = await stoppedRun();
    const [first] = app.model.get(id)!.checkpoints;
    assert.ok(first);
    await vscode.commands.executeCommand('holdfast.resumeRun', {
      kind: 'checkpoint',
      id: 'x',
      run: id,
      checkpoint: first,
    });
    await runWith(app, id, ({ status }) => status === 'finished');
    const lease = app.model.follow(id)!;
    await lease.run.caughtUp;
    assert.match(lease.run.view().resumed?.text ?? '', /identical for \d+ redone steps/);
    lease.dispose();
  });
});

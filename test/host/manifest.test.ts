import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { holdfast } from './support.ts';

interface Manifest {
  activationEvents: string[];
  contributes: {
    commands: { command: string; enablement?: string }[];
  };
}

suite('What the extension declares', () => {
  const extension = vscode.extensions.getExtension('holdfast.holdfast')!;
  const manifest = extension.packageJSON as Manifest;
  suiteSetup(holdfast);

  test('every declared command is there', async () => {
    const known = await vscode.commands.getCommands(true);
    const missing = manifest.contributes.commands.filter(({ command }) => !known.includes(command));
    assert.deepEqual(missing, []);
  });

  test('commands that start programs need trust', () => {
    const starting = manifest.contributes.commands.filter(({ command }) =>
      /\.(start\w*|compare|sweep|check|stop)$/.test(command),
    );
    assert.equal(starting.length, 9);
    for (const { command, enablement } of starting) assert.equal(enablement, 'isWorkspaceTrusted', command);
  });

  test('panels come back after a reload', () => {
    for (const page of ['run', 'compare', 'check'])
      assert(manifest.activationEvents.includes(`onWebviewPanel:holdfast.${page}`));
  });
});

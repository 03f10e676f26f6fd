import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { holdfast } from './support.ts';

interface Manifest {
  activationEvents: string[];
  capabilities: { untrustedWorkspaces: { restrictedConfigurations: string[] } };
  contributes: {
    commands: { command: string; enablement?: string }[];
    configuration: { properties: Record<string, { scope: string; type: string }> };
    walkthroughs: { steps: { media: { svg: string } }[] }[];
    yamlValidation: { url: string }[];
  };
}

suite('What the extension declares', () => {
  const extension = vscode.extensions.getExtension('holdfast.holdfast')!;
  const manifest = extension.packageJSON as Manifest;
  const file = (name: string) => join(extension.extensionPath, name);
  suiteSetup(holdfast);

  test('every declared command is there', async () => {
    const known = await vscode.commands.getCommands(true);
    const missing = manifest.contributes.commands.filter(({ command }) => !known.includes(command));
    assert.deepEqual(missing, []);
  });

  test('settings that name a program or a folder belong to the machine and are restricted', () => {
    const { properties } = manifest.contributes.configuration;
    const paths = Object.keys(properties).filter(name => /path|folder|home|command|args|env|url|token/i.test(name));
    assert(paths.length >= 4);
    for (const name of paths) {
      assert.equal(properties[name]?.scope, 'machine', `${name} can be set by a workspace`);
      assert(
        manifest.capabilities.untrustedWorkspaces.restrictedConfigurations.includes(name),
        `${name} is not restricted`,
      );
    }
  });

  test('commands that start programs need trust', () => {
    const starting = manifest.contributes.commands.filter(({ command }) =>
      /\.(start\w*|compare|check|stop)$/.test(command),
    );
    assert.equal(starting.length, 8);
    for (const { command, enablement } of starting) assert.equal(enablement, 'isWorkspaceTrusted', command);
  });

  test('panels come back after a reload', () => {
    for (const page of ['run', 'compare', 'check'])
      assert(manifest.activationEvents.includes(`onWebviewPanel:holdfast.${page}`));
  });

  test('every string of the manifest is written, and every file is there', () => {
    const text = readFileSync(file('package.json'), 'utf8');
    const strings = JSON.parse(readFileSync(file('package.nls.json'), 'utf8')) as Record<string, string>;
    const used = [...text.matchAll(/"%([^%"]+)%"/g)].map(match => match[1]!);
    assert.deepEqual(
      used.filter(key => !strings[key]),
      [],
    );
    assert.deepEqual(
      Object.keys(strings).filter(key => !used.includes(key)),
      [],
      'strings that nothing shows',
    );
    const media = manifest.contributes.walkthroughs.flatMap(({ steps }) => steps.map(step => step.media.svg));
    const schemas = manifest.contributes.yamlValidation.map(({ url }) => url);
    assert.deepEqual(
      [...media, ...schemas].filter(name => !existsSync(file(name))),
      [],
    );
  });
});

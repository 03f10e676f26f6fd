/**
 * "Download Model…": `holdfast download` as a task, where it says the size, asks, and shows its progress. The token lies in the
 * editor's secret storage and goes into that program's environment alone.
 */
import { join } from 'node:path';
import * as vscode from 'vscode';
import { hubNamePattern } from '../../runs/hubCache.ts';
import type { App } from '../app.ts';
import { readSettings } from '../settings.ts';

const tokenKey = 'holdfast.hubToken';

export async function downloadModel(app: App, secrets: vscode.SecretStorage, named?: unknown): Promise<void> {
  const tools = await app.service.tools();
  const name = await vscode.window.showInputBox({
    title: vscode.l10n.t('Download Model'),
    prompt: vscode.l10n.t('Name on the Hugging Face Hub. The size is said before anything is downloaded.'),
    placeHolder: 'org/name',
    value: typeof named === 'string' ? named : '',
    validateInput: value =>
      hubNamePattern.test(value) ? undefined : vscode.l10n.t('A name is written {0}.', 'org/model'),
  });
  if (!name) return;
  const { hubEndpoint } = readSettings();
  const token = await secrets.get(tokenKey);
  const env = {
    ...tools.node.env,
    ...(hubEndpoint && { HF_ENDPOINT: hubEndpoint }),
    ...(token && { HF_TOKEN: token }),
  };
  const words = [join(tools.engineFolder, 'cli.cjs'), 'download', name];
  const task = new vscode.Task(
    { type: 'process' },
    vscode.TaskScope.Workspace,
    vscode.l10n.t('Download {0}', name),
    'Holdfast',
    new vscode.ProcessExecution(tools.node.path, words, { env }),
  );
  task.presentationOptions = { focus: true, panel: vscode.TaskPanelKind.Dedicated, showReuseMessage: false };
  await vscode.tasks.executeTask(task);
}

/** An empty answer takes the token away. */
export async function setHubToken(secrets: vscode.SecretStorage): Promise<void> {
  const token = await vscode.window.showInputBox({
    title: vscode.l10n.t('Hugging Face Token'),
    prompt: vscode.l10n.t('For models that are gated or private. Empty: none is kept.'),
    placeHolder: 'hf_…',
    password: true,
    ignoreFocusOut: true,
  });
  if (token === undefined) return;
  if (token.trim()) await secrets.store(tokenKey, token.trim());
  else await secrets.delete(tokenKey);
}

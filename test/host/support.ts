/** What tests inside the editor share: the extension's parts, recipes of their own, and waiting for states. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import type { HoldfastExports } from '../../src/extension.ts';
import type { App } from '../../src/host/app.ts';
import type { RunEntry } from '../../src/host/runs/runsModel.ts';
import type { FromPage, ToPage } from '../../src/protocol/panel.ts';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';

const patienceMs = 90_000;

export async function holdfast(): Promise<App> {
  const extension = vscode.extensions.getExtension<HoldfastExports>('holdfast.holdfast');
  assert(extension, 'the extension is not installed');
  return (await extension.activate()).app();
}

export function workspace(): string {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  assert(folder, 'no folder is open');
  return folder;
}

/** From now on runs are trained by the fake, told so. */
export function useFakeTrainer(options: FakeTrainerOptions): void {
  const program = process.env.HOLDFAST_TEST_FAKE_TRAINER;
  assert(program, 'HOLDFAST_TEST_FAKE_TRAINER is not set');
  process.env.HOLDFAST_TRAINER = JSON.stringify([program, JSON.stringify(options)]);
}

export async function openExample(name: string): Promise<vscode.TextDocument> {
  const document = await vscode.workspace.openTextDocument(join(workspace(), `${name}.tune.yaml`));
  await vscode.window.showTextDocument(document, vscode.ViewColumn.One);
  return document;
}

/** A recipe on the disk, opened. Each test has its own file. */
export async function openRecipe(name: string, text: string): Promise<vscode.TextDocument> {
  const file = join(workspace(), `${name}.tune.yaml`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  const document = await vscode.workspace.openTextDocument(file);
  await vscode.window.showTextDocument(document, vscode.ViewColumn.One);
  return document;
}

/** A page that takes every message at once and acknowledges it. `say` speaks in its name. */
export function fakePage(take: (message: ToPage) => void): { webview: vscode.Webview; say(message: FromPage): void } {
  const said = new vscode.EventEmitter<FromPage>();
  const postMessage = (message: ToPage) => {
    take(structuredClone(message));
    setImmediate(() => said.fire({ type: 'ack', seq: message.seq }));
    return Promise.resolve(true);
  };
  const webview = { onDidReceiveMessage: said.event, postMessage } as unknown as vscode.Webview;
  return { webview, say: message => said.fire(message) };
}

/** A figure for people to read, among what mocha says. */
export function tell(figure: string): void {
  const report = process.env.HOLDFAST_TEST_REPORT;
  if (report) appendFileSync(report, `    # ${figure}\n`);
}

/** Asks until the answer is one; fails in words when it never comes. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | null | false | Promise<T | undefined | null | false>,
): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 25));
  }
}

/** The run once it is as asked. */
export const runWith = (app: App, id: string, ask: (run: RunEntry) => boolean): Promise<RunEntry> =>
  until(`run ${id}`, () => {
    const run = app.model.get(id);
    return run && ask(run) && run;
  });

export const lensesOf = (document: vscode.TextDocument): Promise<vscode.CodeLens[]> =>
  Promise.resolve(
    vscode.commands.executeCommand<vscode.CodeLens[]>('vscode.executeCodeLensProvider', document.uri, 100),
  );

export function diagnosticsOf(document: vscode.TextDocument): vscode.Diagnostic[] {
  return vscode.languages.getDiagnostics(document.uri).filter(({ source }) => source === 'Holdfast');
}

export async function closeAll(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
}

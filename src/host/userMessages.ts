/** What the user reads when something did not work: the message, and the next step as a button. */
import * as vscode from 'vscode';

interface KnownError extends Error {
  code?: string;
  file?: string;
  line?: number;
  remedy?: string;
}

interface NextStep {
  title: string;
  take: () => unknown;
}

export async function showError(error: unknown, log: vscode.LogOutputChannel): Promise<void> {
  const known: KnownError = error instanceof Error ? error : new Error(String(error));
  log.error(known);
  const steps = nextSteps(known, log);
  const text = known.remedy ? `${known.message.replace(/\.$/, '')}. ${known.remedy}` : known.message;
  const chosen = await vscode.window.showErrorMessage(text, ...steps.map(step => step.title));
  await steps.find(step => step.title === chosen)?.take();
}

function nextSteps(error: KnownError, log: vscode.LogOutputChannel): NextStep[] {
  const steps: NextStep[] = [];
  switch (error.code) {
    case 'not-trusted':
      steps.push({ title: vscode.l10n.t('Manage Trust'), take: command('workbench.trust.manage') });
      break;
    case 'node-unusable':
    case 'spawn-failed':
      steps.push({ title: vscode.l10n.t('Open Setting'), take: openSetting('holdfast.nodePath') });
      break;
    case 'python-missing':
    case 'python-unusable':
    case 'python-too-old':
    case 'torch-missing':
    case 'torch-too-old':
      steps.push({ title: vscode.l10n.t('Open Setting'), take: openSetting('holdfast.python') });
      break;
    case 'outside-roots':
      steps.push({ title: vscode.l10n.t('Open Setting'), take: openSetting('holdfast.modelFolders') });
      break;
    case 'model-not-cached':
      steps.push({ title: vscode.l10n.t('Download Model'), take: command('holdfast.downloadModel', hubNameIn(error)) });
      break;
    case 'disk-full':
    case 'no-permission':
      steps.push({ title: vscode.l10n.t('Open Setting'), take: openSetting('holdfast.runsFolder') });
      break;
  }
  const { file, line } = error;
  if (file && line) steps.push({ title: vscode.l10n.t('Go to Line {0}', line), take: () => openAt(file, line) });
  return [...steps, { title: vscode.l10n.t('Open Log'), take: () => log.show() }];
}

/** The remedy ends with it. */
const hubNameIn = ({ remedy }: KnownError): string | undefined => remedy?.split(' ').at(-1);

export async function openAt(file: string, line = 1): Promise<void> {
  const selection = new vscode.Range(line - 1, 0, line - 1, 0);
  await vscode.window.showTextDocument(vscode.Uri.file(file), { selection });
}

const command =
  (id: string, ...args: unknown[]) =>
  () =>
    vscode.commands.executeCommand(id, ...args);
const openSetting = (id: string) => command('workbench.action.openSettings', id);

/** "Open Example…": copies a recipe with its data and the shipped model to a folder of the user's, and opens it. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import { parseRecipe } from '../../recipe/parse.ts';
import { recipePaths, resolveRecipe } from '../../recipe/resolve.ts';

interface Example extends vscode.QuickPickItem {
  file: string;
}

/** `given` names an example and a folder, for walkthroughs and tests that ask nothing. */
export async function openExample(extensionFolder: string, given?: { example: string; folder: string }): Promise<void> {
  const examples = await listExamples(join(extensionFolder, 'examples'));
  const chosen = given
    ? examples.find(({ label }) => label === given.example)
    : await vscode.window.showQuickPick(examples, {
        title: vscode.l10n.t('Open Example'),
        placeHolder: vscode.l10n.t('Each trains in minutes on a CPU'),
        matchOnDescription: true,
      });
  const folder = chosen && (given?.folder ?? (await askForFolder(chosen.label)));
  if (!chosen || !folder) return;
  const recipe = await copyExample(extensionFolder, chosen.file, folder);
  await openCopy(folder, recipe);
}

async function listExamples(folder: string): Promise<Example[]> {
  const names = (await readdir(folder)).filter(name => /\.tune\.ya?ml$/.test(name)).sort();
  return Promise.all(
    names.map(async name => {
      const file = join(folder, name);
      return {
        label: name.replace(/\.tune\.ya?ml$/, ''),
        description: firstSentence(await readFile(file, 'utf8')),
        file,
      };
    }),
  );
}

/** The comment that an example opens with. */
function firstSentence(text: string): string {
  const lines = text.split('\n');
  const end = lines.findIndex(line => !line.startsWith('#') || line.trim() === '#');
  return lines.slice(0, end).join(' ').replace(/#\s*/g, '').replace(/:$/, '');
}

async function askForFolder(name: string): Promise<string | undefined> {
  const workspace = vscode.workspace.workspaceFolders?.[0];
  const here = workspace && workspace.uri.scheme === 'file' ? join(workspace.uri.fsPath, name) : undefined;
  if (!here || existsSync(here)) return pickFolder(name);
  const elsewhere = vscode.l10n.t('Choose another folder…');
  const choice = await vscode.window.showQuickPick(
    [
      { label: name, description: vscode.l10n.t('new folder in this workspace'), isHere: true },
      { label: elsewhere, isHere: false },
    ],
    { title: vscode.l10n.t('Where should the example go?') },
  );
  if (!choice) return undefined;
  return choice.isHere ? here : pickFolder(name);
}

async function pickFolder(name: string): Promise<string | undefined> {
  const [parent] =
    (await vscode.window.showOpenDialog({
      canSelectFolders: true,
      canSelectFiles: false,
      openLabel: vscode.l10n.t('Put the Example Here'),
      title: vscode.l10n.t('A folder "{0}" is made in the one you choose', name),
    })) ?? [];
  if (!parent) return undefined;
  for (let number = 1; ; number += 1) {
    const folder = join(parent.fsPath, number === 1 ? name : `${name}-${number}`);
    if (!existsSync(folder)) return folder;
  }
}

/** Only what the recipe names is copied; the model comes along, so that the folder stands on its own. */
async function copyExample(extensionFolder: string, source: string, folder: string): Promise<string> {
  const text = await readFile(source, 'utf8');
  const { recipe } = parseRecipe(text, source);
  if (!recipe) throw new Error(vscode.l10n.t('The example {0} cannot be read', source));
  const name = source.slice(dirname(source).length + 1);
  const paths = recipePaths(resolveRecipe(recipe, { variant: 'as-written', fileName: name }));
  const shipped = join(extensionFolder, 'models', recipe.model);
  for (const path of paths.filter(path => existsSync(join(dirname(source), path)))) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await cp(join(dirname(source), path), join(folder, path), { errorOnExist: true, force: false });
  }
  const hasModel = existsSync(shipped);
  if (hasModel) await cp(shipped, join(folder, 'models', recipe.model), { recursive: true });
  const model = `model: models/${recipe.model}`;
  await writeFile(join(folder, name), hasModel ? text.replace(/^model:\s*[^\s#]+/m, model) : text, { flag: 'wx' });
  return join(folder, name);
}

async function openCopy(folder: string, recipe: string): Promise<void> {
  const uri = vscode.Uri.file(recipe);
  if (vscode.workspace.getWorkspaceFolder(uri)) {
    await vscode.window.showTextDocument(uri);
    return;
  }
  const isEmpty = !vscode.workspace.workspaceFolders?.length;
  await vscode.commands.executeCommand('vscode.openFolder', vscode.Uri.file(folder), {
    forceReuseWindow: isEmpty,
    forceNewWindow: !isEmpty,
    filesToOpen: [uri],
  });
}

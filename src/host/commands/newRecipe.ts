/** "New Recipe": a starter with everything a first run needs, as a file of the workspace, opened. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { starterRetain } from '../recipe/recipeEdits.ts';

const starter = `name: NAME
model: holdfast-tiny                   # shipped; or a folder in Hugging Face layout, or org/name

data:
  train: data/train.jsonl              # rows with text, prompt and completion, or messages; or a txt file
  eval: data/eval.jsonl                # held-out rows that measure what was learned

${starterRetain}
method:
  regularize: { kind: kl, weight: 0.5 }
  # replay: { data: data/general.train.txt, share: 0.2 }
  # narrow: { tune: [gate_proj, up_proj], learning_rate: 2.0e-3 }

train: { max_steps: 200, batch_size: 8, max_length: 128, learning_rate: 1.0e-3, warmup_steps: 20, seed: 1 }
evaluate: { every: 25 }
checkpoint: { every: 50 }
`;

export async function newRecipe(): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  if (!folder) {
    // Without a folder there is nothing that paths could be relative to.
    await vscode.window.showTextDocument(
      await vscode.workspace.openTextDocument({ language: 'yaml', content: named('experiment') }),
    );
    return;
  }
  const name = await vscode.window.showInputBox({
    title: vscode.l10n.t('New Recipe'),
    prompt: vscode.l10n.t('Name of the experiment'),
    value: 'experiment',
    validateInput: value => problemOf(folder, value),
  });
  if (!name) return;
  const uri = vscode.Uri.file(join(folder, `${name}.tune.yaml`));
  await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(named(name)));
  await vscode.window.showTextDocument(uri);
}

const named = (name: string): string => starter.replace('NAME', name);

function problemOf(folder: string, name: string): string | undefined {
  if (!/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) {
    return vscode.l10n.t('Use small letters, digits and "-"; at most 40 characters, the first a letter or a digit.');
  }
  const isTaken = existsSync(join(folder, `${name}.tune.yaml`));
  return isTaken ? vscode.l10n.t('{0} is there already.', `${name}.tune.yaml`) : undefined;
}

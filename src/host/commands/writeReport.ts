/** The report of chosen runs as a Markdown file, its pictures in a folder beside it, where the user wants it. */
import { basename, dirname, extname, join } from 'node:path';
import * as vscode from 'vscode';
import { compareRuns } from '../../domain/comparison.ts';
import type { RunLease, RunsModel } from '../runs/runsModel.ts';

export async function writeReport(model: RunsModel, ids: readonly string[]): Promise<void> {
  const leases = ids.map(id => model.follow(id)).filter((lease): lease is RunLease => lease !== undefined);
  try {
    await Promise.all(leases.map(({ run }) => run.caughtUp));
    const title = [...new Set(leases.map(({ run }) => run.view().name))].join(', ');
    const target = await chooseFile(title);
    if (!target) return;
    await write(target, title, leases);
    await vscode.window.showTextDocument(target, { preview: false });
  } finally {
    for (const lease of leases) lease.dispose();
  }
}

async function chooseFile(title: string): Promise<vscode.Uri | undefined> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const defaultUri = folder && vscode.Uri.joinPath(folder, `${title.replace(/[^\w-]+/g, '-')}.report.md`);
  return vscode.window.showSaveDialog({
    defaultUri,
    filters: { Markdown: ['md'] },
    saveLabel: vscode.l10n.t('Export Report'),
  });
}

async function write(target: vscode.Uri, title: string, leases: readonly RunLease[]): Promise<void> {
  const { t } = vscode.l10n;
  const runs = new Map(leases.map(({ run }) => [run.id, run]));
  const comparison = compareRuns(
    [...runs.values()].map(run => run.view()),
    t,
  );
  const { reportFiles } = await import('../../domain/reportFiles.ts');
  const stem = basename(target.fsPath, extname(target.fsPath));
  const { folder, pictures, markdown } = reportFiles(comparison, (id, name) => runs.get(id)?.series(name), {
    title,
    stem,
    translate: t,
  });
  const encoder = new TextEncoder();
  for (const { file, svg } of pictures) {
    await vscode.workspace.fs.writeFile(
      vscode.Uri.file(join(dirname(target.fsPath), folder, file)),
      encoder.encode(svg),
    );
  }
  await vscode.workspace.fs.writeFile(target, encoder.encode(markdown));
}

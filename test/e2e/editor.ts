/** The editor with Holdfast and the examples in it, for end-to-end tests. Knows no single test. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';
import { fakeTrainer } from '../protocol/fakeTrainerProgram.ts';
import { checkout } from '../vscode/places.ts';
import { stagedName, stageForTests } from '../vscode/staged.ts';
import { until, Workbench, type WorkbenchOptions } from '../vscode/workbench.ts';

export interface EditorOptions extends WorkbenchOptions {
  /** Trains nothing, speaks the protocol. Without it the engine trains. */
  trainer?: FakeTrainerOptions;
  /** Edits of the examples before they are opened: file name → what becomes of its text. */
  edits?: Record<string, (text: string) => string>;
}

/** The extension as it ships, laid out once for all tests: by whoever started them, or for a file that is run alone. */
export function stagedExtension(): string {
  return process.env[stagedName] ?? stageForTests()[stagedName]!;
}

/** Opened for one test and closed with it. */
export async function openEditor(
  t: TestContext,
  { trainer, edits = {}, ...options }: EditorOptions = {},
): Promise<Workbench> {
  const extension = stagedExtension();
  const env = { ...options.env, ...(trainer && { HOLDFAST_TRAINER: JSON.stringify(fakeTrainer(trainer)) }) };
  const workbench = await Workbench.open({
    files: path.join(extension, 'examples'),
    prepare: workspace => {
      for (const [name, edit] of Object.entries(edits)) {
        const file = path.join(workspace, name);
        writeFileSync(file, edit(readFileSync(file, 'utf8')));
      }
    },
    extensions: [extension],
    ...options,
    env,
  });
  t.after(async () => {
    await workbench.close();
  });
  return workbench;
}

/** The steps of one story: after one that failed the others mean nothing and are not tried. */
export function steps(t: TestContext, editor: Workbench) {
  return async (claim: string, body: () => Promise<void> | void): Promise<void> => {
    let failure: unknown;
    await t.test(claim, async () => {
      try {
        await body();
      } catch (error) {
        failure = error;
        await editor.keepPicture(claim);
        throw error;
      }
    });
    if (failure) throw new Error(`the story ends at: ${claim}`);
  };
}

/**
 * Clicks a lens and waits for the run it starts. The editor draws its lenses anew now and then, and a click between two
 * drawings goes nowhere: then it is clicked again.
 */
export async function startByLens(editor: Workbench, lens: string, project = editor.workspace): Promise<string> {
  const before = runFolders(project).length;
  const started = () => runFolders(project)[before];
  for (let click = 0; click < 4 && !started(); click++) {
    await editor.lens(lens).first().click();
    await until(`a run started by ${lens}`, started, 30_000).catch(() => {});
  }
  return until(`a run started by ${lens}`, started);
}

/** Folders of the runs that a folder of recipes holds, oldest first. One that is being made still has a dot in front. */
export function runFolders(project: string): string[] {
  const runs = path.join(project, '.holdfast/runs');
  if (!existsSync(runs)) return [];
  return readdirSync(runs)
    .filter(name => !name.startsWith('.'))
    .sort()
    .map(name => path.join(runs, name));
}

/** The whole lines of a run's journal. */
export function journal(run: string): Record<string, unknown>[] {
  const file = path.join(run, 'journal.ndjson');
  if (!existsSync(file)) return [];
  const text = readFileSync(file, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line));
}

/** Figures a test measured, for people to read. */
export function keepFigures(name: string, figures: unknown): void {
  const folder = path.join(checkout, 'out/test');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(figures, null, 2)}\n`);
}

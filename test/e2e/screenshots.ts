/**
 * Pictures of the panels in real VS Code, in four themes, for people to look at and for the README.
 * usage: npm run screenshots [-- --fake] [-- --out out/screenshots]    --fake shows made-up runs at once, without training
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { stage, thisTarget } from '../../scripts/stage.ts';
import { fakeTrainer } from '../protocol/fakeTrainerProgram.ts';
import { checkout } from '../vscode/places.ts';
import { prepare } from '../vscode/prepare.ts';
import { until, Workbench } from '../vscode/workbench.ts';
import { journal, runFolders, startByLens } from './editor.ts';

const { values } = parseArgs({
  options: {
    fake: { type: 'boolean', default: false },
    out: { type: 'string', default: path.join(checkout, 'out/screenshots') },
  },
});
const themes = {
  light: { theme: 'Default Light Modern', look: 'vs' },
  'hc-dark': { theme: 'Default High Contrast', look: 'hc-black' },
  'hc-light': { theme: 'Default High Contrast Light', look: 'hc-light' },
  // Last, since the editor begins with it.
  dark: { theme: 'Default Dark Modern', look: 'vs-dark' },
};
const recipe = 'support-tone.tune.yaml';
const patience = values.fake ? 120_000 : 1_500_000;

prepare();
mkdirSync(values.out, { recursive: true });
const extension = path.join(checkout, 'out/stage/screenshots');
stage(thisTarget, extension);
const trainer = JSON.stringify(fakeTrainer({ rate: 100 }));
const editor = await Workbench.open({
  files: path.join(extension, 'examples'),
  extensions: [extension],
  env: values.fake ? { HOLDFAST_TRAINER: trainer } : {},
  settings: { 'editor.minimap.enabled': false, 'editor.fontSize': 12 },
  viewport: { width: 1440, height: 900 },
});
try {
  await takeAll();
} finally {
  await editor.close();
}

async function takeAll(): Promise<void> {
  await editor.openFile(recipe);
  await startByLens(editor, 'Compare');
  await until('all arms', () => runFolders(editor.workspace).length >= 5, patience);
  await until('their ends', () => runFolders(editor.workspace).every(hasEnded), patience);
  await shots('compare', 'body[data-page="compare"] .numbers-table');

  await editor.command('View: Close All Editors');
  await editor.openFile(recipe);
  await editor.showContainer('Holdfast');
  await editor
    .lens(/forgot|kept|cannot.tell/)
    .first()
    .click();
  await editor.frame('body[data-page="run"] .verdict-sets');
  await shots('run', 'body[data-page="run"] .verdict-sets');
}

function hasEnded(folder: string): boolean {
  return journal(folder).some(({ type }) => type === 'exited');
}

/** The whole window, once a theme; notifications would hide what is to be seen. */
async function shots(name: string, page: string): Promise<void> {
  for (const [short, { theme, look }] of Object.entries(themes)) {
    editor.changeSettings({ 'workbench.colorTheme': theme });
    // Keeps what is open, which a reload of the page may not.
    await editor.command('Developer: Reload Window');
    await editor.page.locator(`.monaco-workbench.${look}`).waitFor();
    await editor.frame(page);
    await editor.command('Notifications: Clear All Notifications');
    await editor.settled();
    const file = path.join(values.out, `${name}-${short}.png`);
    await editor.page.screenshot({ path: file });
    console.log(path.relative(process.cwd(), file));
  }
}

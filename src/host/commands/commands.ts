/** Registers every command. What a command does is loaded when it is first used. */
import * as vscode from 'vscode';
import type { App } from '../app.ts';
import { showError } from '../userMessages.ts';

type Handler = (app: App, ...args: unknown[]) => unknown;
type Handlers = Record<string, () => Promise<Handler>>;

export function registerCommands(
  app: () => Promise<App>,
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
): vscode.Disposable {
  const registrations = Object.entries(handlers(context)).map(([name, load]) =>
    vscode.commands.registerCommand(`holdfast.${name}`, async (...args: unknown[]) => {
      try {
        const handle = await load();
        return await handle(await app(), ...args);
      } catch (error) {
        await showError(error, log);
        return undefined;
      }
    }),
  );
  return vscode.Disposable.from(...registrations);
}

const runs = () => import('./runCommands.ts');
const resumes = () => import('./resumeCommands.ts');
const manage = () => import('./manageCommands.ts');
const trash = () => import('./trashCommands.ts');
const queue = () => import('./queueCommands.ts');

function handlers(context: vscode.ExtensionContext): Handlers {
  return {
    start: async () => (await runs()).startAs('as-written'),
    startPlain: async () => (await runs()).startAs('plain'),
    startReplay: async () => (await runs()).startAs('replay'),
    startRegularized: async () => (await runs()).startAs('regularized'),
    startNarrow: async () => (await runs()).startAs('narrow'),
    rerun: async () => (await runs()).rerun,
    compare: async () => (await runs()).compare,
    sweep: async () => (await import('./sweep.ts')).sweep,
    check: async () => (await runs()).check,
    stop: async () => (await runs()).stop,
    pauseRun: async () => (await runs()).pauseRun,
    saveCheckpoint: async () => (await runs()).saveCheckpoint,
    resumeRun: async () => (await resumes()).resumeRun,
    forkRun: async () => (await resumes()).forkRun,
    showRun: async () => (await runs()).showRun,
    compareSelected: async () => (await runs()).compareSelected,
    openRunRecipe: async () => (await runs()).openRunRecipe,
    revealRunFolder: async () => (await runs()).revealRunFolder,
    openLog: async () => (await runs()).openLog,
    exportReport: async () => (await runs()).exportReport,
    downloadModel: async () => {
      const { downloadModel } = await import('./downloadModel.ts');
      return (app, name) => downloadModel(app, context.secrets, name);
    },
    setHubToken: async () => {
      const { setHubToken } = await import('./downloadModel.ts');
      return () => setHubToken(context.secrets);
    },
    refreshRuns: async () => app => app.model.refresh(),
    showMoreRuns: async () => (app, group) => app.tree.showMore(String(group)),
    runNext: async () => (await queue()).runNext,
    moveUpInQueue: async () => (await queue()).shift(-1),
    moveDownInQueue: async () => (await queue()).shift(1),
    cancelQueued: async () => (await queue()).cancelQueued,
    holdQueue: async () => (await queue()).hold,
    releaseQueue: async () => (await queue()).release,
    holdQueueOnError: async () => (await queue()).onError('hold'),
    continueQueueOnError: async () => (await queue()).onError('continue'),
    renameRun: async () => (await manage()).renameRun,
    tagRuns: async () => (await manage()).tagRuns,
    starRuns: async () => (await manage()).setStar(true),
    unstarRuns: async () => (await manage()).setStar(false),
    colourRuns: async () => (await manage()).colourRuns,
    openNotes: async () => (await manage()).openNotes,
    hideRuns: async () => (await manage()).setHidden(true),
    unhideRuns: async () => (await manage()).setHidden(false),
    deleteRuns: async () => (await trash()).deleteRuns,
    restoreRuns: async () => (await trash()).restoreRuns,
    emptyTrash: async () => (await trash()).emptyTrash,
    cleanRuns: async () => (await manage()).cleanUp,
    importRuns: async () => (await manage()).importRuns,
    searchRuns: async () => (await manage()).searchRuns,
    clearSearch: async () => app => {
      app.tree.query = '';
    },
    showHiddenRuns: async () => app => {
      app.tree.showsHidden = true;
    },
    concealHiddenRuns: async () => app => {
      app.tree.showsHidden = false;
    },
    newRecipe: async () => {
      const { newRecipe } = await import('./newRecipe.ts');
      return () => newRecipe();
    },
    openExample: async () => {
      const { openExample } = await import('./openExample.ts');
      return (_, given) => openExample(context.extensionUri.fsPath, isPlace(given) ? given : undefined);
    },
    addMissing: async () => {
      const { addMissing } = await import('./addMissing.ts');
      return (_, recipe, variant) => addMissing(recipe, variant);
    },
    openRecipeAt: async () => {
      const { openAt } = await import('../userMessages.ts');
      const { recipeOf } = await import('./recipeOf.ts');
      return async (_, uri, line) => {
        const recipe = await recipeOf(uri);
        if (recipe) await openAt(recipe.file, typeof line === 'number' ? line : 1);
      };
    },
    toggleInlineMetrics: async () => () => {
      const settings = vscode.workspace.getConfiguration('holdfast');
      return settings.update(
        'inlineMetrics',
        !settings.get<boolean>('inlineMetrics'),
        vscode.ConfigurationTarget.Global,
      );
    },
    openWalkthrough: async () => () =>
      vscode.commands.executeCommand('workbench.action.openWalkthrough', `${context.extension.id}#firstVerdict`, false),
  };
}

function isPlace(given: unknown): given is { example: string; folder: string } {
  return typeof given === 'object' && given !== null && 'example' in given && 'folder' in given;
}

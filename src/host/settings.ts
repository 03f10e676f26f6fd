/** The extension's settings as the host reads them. Whatever names a program or a path is machine-scoped in the manifest. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import * as vscode from 'vscode';

type NotificationLevel = 'all' | 'problems' | 'none';

export interface Settings {
  nodePath: string | undefined;
  python: string | undefined;
  hubEndpoint: string | undefined;
  home: string | undefined;
  runsFolder: string | undefined;
  modelFolders: string[];
  inlineMetrics: boolean;
  notifications: NotificationLevel;
}

export function readSettings(): Settings {
  const settings = vscode.workspace.getConfiguration('holdfast');
  return {
    nodePath: folder(settings.get<string>('nodePath')),
    python: folder(settings.get<string>('python')),
    hubEndpoint: settings.get<string>('hubEndpoint') || undefined,
    home: folder(settings.get<string>('home')),
    runsFolder: folder(settings.get<string>('runsFolder')),
    modelFolders: (settings.get<string[]>('modelFolders') ?? []).map(folder).filter(path => path !== undefined),
    inlineMetrics: settings.get<boolean>('inlineMetrics') ?? true,
    notifications: settings.get<NotificationLevel>('notifications') ?? 'all',
  };
}

/** `~` is the user's home, as in a shell; anything else that is not absolute has no meaning here. */
function folder(path: string | undefined): string | undefined {
  if (!path) return undefined;
  if (path === '~' || path.startsWith('~/')) return join(homedir(), path.slice(1));
  return isAbsolute(path) ? path : undefined;
}

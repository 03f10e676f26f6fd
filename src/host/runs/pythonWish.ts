/**
 * Which Python the user means in this editor: the setting, else the environment that the Python extension has active.
 * Knows nothing of what is installed there.
 */
import * as vscode from 'vscode';
import type { PythonWish } from '../../runs/pythonPath.ts';
import { readSettings } from '../settings.ts';

/** The part of the Python extension's interface that is used. */
interface PythonExtension {
  environments?: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { path: string };
    resolveEnvironment(environment: { path: string }): Promise<{ executable: { uri?: vscode.Uri } } | undefined>;
  };
}

export async function pythonWish(): Promise<PythonWish> {
  const { python } = readSettings();
  if (python) return { setting: python };
  const ofEditor = await activeEnvironment();
  return ofEditor ? { ofEditor } : {};
}

/** Nothing where the extension is missing, or fails: there are other ways to a Python. */
async function activeEnvironment(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<PythonExtension>('ms-python.python');
  if (!extension) return undefined;
  try {
    const { environments } = await extension.activate();
    const resource = vscode.workspace.workspaceFolders?.[0]?.uri;
    const active = environments?.getActiveEnvironmentPath(resource);
    return active && (await environments?.resolveEnvironment(active))?.executable.uri?.fsPath;
  } catch {
    return undefined;
  }
}

/**
 * The one place that writes a page's HTML: an empty body, one stylesheet, one script, and a policy that starts from nothing.
 * Both lie in the page: to load them takes the editor hundreds of milliseconds while its window is opening.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { PageMemory } from '../../protocol/panel.ts';

export type PageName = PageMemory['page'];

/** A page loads nothing: there is nowhere to load from. */
export const pageOptions: vscode.WebviewOptions = { enableScripts: true, localResourceRoots: [] };

export function pageHtml(extension: vscode.Uri, page: PageName, title: string): string {
  const nonce = randomBytes(16).toString('base64url');
  const built = (name: string) => readFileSync(join(extension.fsPath, 'dist', 'webview', name), 'utf8');
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    'img-src data:',
    "form-action 'none'",
    "base-uri 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${attribute(vscode.env.language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${attribute(title)}</title>
<style nonce="${nonce}">${built(`${page}.css`)}</style>
</head>
<body data-page="${page}">
<script nonce="${nonce}">${built(`${page}.js`)}</script>
</body>
</html>`;
}

function attribute(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`);
}

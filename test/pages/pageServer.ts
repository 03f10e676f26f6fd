/** Serves the built pages as VS Code would: under the strict policy, with a theme's variables and a scripted host. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { type ThemeName, themes } from './themes.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const built = path.resolve(here, '../../dist/webview');
const types: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css' };

export interface PageServer {
  /** The address of a page in a scenario such as `run-live`, see fakeHost.ts. */
  url(scenario: string, theme?: ThemeName): string;
  close(): void;
}

export async function servePages(): Promise<PageServer> {
  const host = await bundleHost();
  let origin = '';
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', origin);
    try {
      if (url.pathname === '/fakeHost.js') return response.setHeader('content-type', types['.js']!).end(host);
      if (url.pathname.startsWith('/built/')) {
        const file = path.join(built, path.basename(url.pathname));
        response.setHeader('content-type', types[path.extname(file)] ?? 'application/json');
        return response.end(await readFile(file));
      }
      const scenario = url.pathname.slice(1);
      if (!/^(run|metrics|compare|check)(-\w+)?$/.test(scenario)) return response.writeHead(404).end();
      const theme = (url.searchParams.get('theme') ?? 'dark') as ThemeName;
      response.setHeader('content-type', 'text/html; charset=utf-8').end(html(origin, scenario, theme));
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: (scenario, theme = 'dark') => `${origin}/${scenario}?theme=${theme}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The page as src/host/panels/pageHtml.ts writes it, with what VS Code itself adds: variables and classes. */
function html(origin: string, scenario: string, theme: ThemeName): string {
  const nonce = randomBytes(16).toString('base64url');
  const page = scenario.split('-')[0]!;
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    'img-src data:',
    "form-action 'none'",
    "base-uri 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Holdfast</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">html { ${themes[theme].css} }</style>
<link rel="stylesheet" nonce="${nonce}" href="${origin}/built/${page}.css">
</head>
<body data-page="${page}" data-scenario="${scenario}" class="${themes[theme].className}">
<script nonce="${nonce}" src="${origin}/fakeHost.js"></script>
<script nonce="${nonce}" src="${origin}/built/${page}.js"></script>
</body>
</html>`;
}

async function bundleHost(): Promise<string> {
  const result = await esbuild.build({
    entryPoints: [path.join(here, 'fakeHost.ts')],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    write: false,
  });
  return result.outputFiles[0]!.text;
}

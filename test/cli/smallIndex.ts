/** A Python package index of a few wheels on this machine, with ranges, breaks and damage. Knows no package. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SmallIndexOptions {
  /** By project and file name. */
  wheels: Record<string, Record<string, Buffer>>;
  /** Lists are pages of links instead of JSON. */
  isHtml?: boolean;
  /** The first connection of each file says no more after so many bytes. */
  hangAfter?: number;
  /** What arrives is not what the list says. */
  damaged?: boolean;
  authorization?: string;
}

export interface SmallIndex {
  address: string;
  /** Of wheels: their ranges, in order. */
  fetched: { file: string; range: string | undefined }[];
  /** Resolves once a connection hangs; gives what cuts it. */
  hanging: Promise<() => void>;
  close(): Promise<void>;
}

export async function smallIndex(options: SmallIndexOptions): Promise<SmallIndex> {
  const { wheels, isHtml, damaged } = options;
  const fetched: SmallIndex['fetched'] = [];
  const seen = new Set<string>();
  let hangs: (cut: () => void) => void;
  const hanging = new Promise<() => void>(resolve => {
    hangs = resolve;
  });
  const server = createServer((request, response) => {
    const [, area, project = '', file = ''] = request.url!.split('/').map(decodeURIComponent);
    if (options.authorization && request.headers.authorization !== options.authorization) {
      response.writeHead(401).end();
      return;
    }
    const bytes = wheels[project]?.[file];
    if (area === 'simple' && wheels[project]) {
      response.setHeader('content-type', isHtml ? 'text/html' : 'application/vnd.pypi.simple.v1+json');
      response.end(isHtml ? pageOf(project, wheels[project]) : listOf(project, wheels[project]));
      return;
    }
    if (!bytes) {
      response.writeHead(404).end();
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length - from });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    fetched.push({ file, range: request.headers.range });
    const sent = (damaged ? Buffer.alloc(bytes.length, 'x') : bytes).subarray(from);
    if (options.hangAfter === undefined || seen.has(file)) {
      response.end(sent);
      return;
    }
    seen.add(file);
    response.write(sent.subarray(0, options.hangAfter), () => hangs(() => response.destroy()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`,
    ...{ fetched, hanging },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function listOf(project: string, files: Record<string, Buffer>): string {
  const entries = Object.entries(files).map(([filename, bytes]) => ({
    ...{ filename, url: `../../files/${project}/${filename}`, size: bytes.length },
    hashes: { sha256: sha256(bytes) },
  }));
  return JSON.stringify({ meta: { 'api-version': '1.0' }, name: project, files: entries });
}

function pageOf(project: string, files: Record<string, Buffer>): string {
  const link = ([name, bytes]: [string, Buffer]) =>
    `<a href="../../files/${project}/${name}#sha256=${sha256(bytes)}" data-requires-python="&gt;=3.9">${name}</a>`;
  return `<!DOCTYPE html><body>${Object.entries(files).map(link).join('<br/>')}</body>`;
}

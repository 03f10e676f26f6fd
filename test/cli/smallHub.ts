/** A Hub of one model on this machine, with the pages, redirects, ranges and failures of the real one. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const commit = 'c0ffee'.padEnd(40, '0');

export interface Asked {
  path: string;
  authorization?: string;
  range?: string;
}

export interface SmallHubOptions {
  files: Record<string, Buffer>;
  /** Asked for; without it the model looks like none. */
  token?: string;
  isGated?: boolean;
  /** Each large file is cut off after so many bytes, the first time it is asked for. */
  cutAfter?: number;
  /** What large files hold when they are fetched. */
  damaged?: boolean;
  knowsRanges?: boolean;
}

export interface SmallHub {
  endpoint: string;
  /** Requests to the Hub, and to where it redirects for large files. */
  asked: Asked[];
  askedStorage: Asked[];
  close(): Promise<void>;
}

const largeBytes = 1000;

export async function smallHub(name: string, options: SmallHubOptions): Promise<SmallHub> {
  const { files, token, isGated, cutAfter, damaged = false, knowsRanges = true } = options;
  const [asked, askedStorage]: [Asked[], Asked[]] = [[], []];
  const cut = new Set<string>();
  const note = (list: Asked[], { url, headers }: IncomingMessage) =>
    list.push({ path: url!, authorization: headers.authorization, range: headers.range });

  const storage = await listen((request, response) => {
    note(askedStorage, request);
    const path = request.url!.slice(1);
    const whole = damaged ? Buffer.alloc(files[path]!.length, 'x') : files[path]!;
    const from = knowsRanges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': whole.length - from });
    if (cutAfter === undefined || cut.has(path)) return response.end(whole.subarray(from));
    cut.add(path);
    response.write(whole.subarray(from, from + cutAfter), () => response.destroy());
  });

  const entries = Object.entries(files).map(([path, bytes]) => {
    const git = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const lfs = bytes.length >= largeBytes ? { oid: sha256, size: bytes.length, pointerSize: 130 } : undefined;
    return { type: 'file', path, size: bytes.length, oid: git, lfs };
  });
  const hub = await listen((request, response) => {
    note(asked, request);
    const url = new URL(request.url!, 'http://hub');
    const json = (status: number, value: unknown, headers = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    const isIn = request.headers.authorization === `Bearer ${token}`;
    if (token && !isIn) return isGated ? json(403, { error: 'gated' }) : json(404, { error: 'not found' });
    if (url.pathname.startsWith(`/api/models/${name}/revision/`)) {
      return json(200, { _id: '1', id: name, sha: commit, lastModified: 0, gated: false });
    }
    if (url.pathname === `/api/models/${name}/tree/${commit}`) {
      const page = Number(url.searchParams.get('page') ?? 0);
      const next = `<http://${request.headers.host}${url.pathname}?page=${page + 1}>; rel="next"`;
      return json(200, [entries[page]], page + 1 < entries.length ? { link: next } : {});
    }
    const path = url.pathname.slice(`/${name}/resolve/${commit}/`.length);
    if (!url.pathname.startsWith(`/${name}/resolve/${commit}/`) || !files[path]) return json(404, { error: 'none' });
    if (files[path].length < largeBytes) return response.end(files[path]);
    response.writeHead(302, { location: `http://127.0.0.1:${portOf(storage)}/${path}` }).end();
  });

  return {
    endpoint: `http://127.0.0.1:${portOf(hub)}`,
    asked,
    askedStorage,
    close: async () => {
      for (const server of [hub, storage]) {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      }
    },
  };
}

async function listen(answer: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<Server> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

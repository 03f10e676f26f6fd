/**
 * Gathers the figures that the last test run printed into docs/reliability.md, between its markers.
 * usage: npm run docs:reliability [-- --long] [-- --logs out/test]    --long after npm run test:long
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { long: { type: 'boolean', default: false }, logs: { type: 'string', default: 'out/test' } },
});
const page = 'docs/reliability.md';
const { logs } = values;
const figure = /^(?:ℹ|#) ([ABCD]\d+) (.+)$/;

const found = readdirSync(logs)
  .filter(name => name.endsWith('.log'))
  .flatMap(name => readFileSync(path.join(logs, name), 'utf8').split('\n'))
  .flatMap(line => {
    const [, id, text] = figure.exec(line.trim()) ?? [];
    return id && text ? [{ id, text }] : [];
  });
if (found.length === 0) throw new Error(`No figures in ${logs}: run npm ${values.long ? 'run test:long' : 'test'}`);

const number = (id: string): number => Number(id.slice(1));
found.sort((a, b) => (a.id[0] ?? '').localeCompare(b.id[0] ?? '') || number(a.id) - number(b.id));
const rows = found.map(({ id, text }) => `| ${id} | ${text.replaceAll('|', '\\|')} |`);
const table = ['| figure | what was printed |', '|---|---|', ...rows].join('\n');

const name = values.long ? 'long' : 'everyday';
const [start, end] = [`<!-- table:${name} -->`, `<!-- /table:${name} -->`];
const before = readFileSync(page, 'utf8');
const [from, to] = [before.indexOf(start), before.indexOf(end)];
if (from < 0 || to < from) throw new Error(`${page} lacks ${start} … ${end}`);
writeFileSync(page, `${before.slice(0, from + start.length)}\n${table}\n${before.slice(to)}`);

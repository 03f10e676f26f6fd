import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCodeOf } from '../../src/protocol/exitCode.ts';
import { type Line, LineSplitter } from '../../src/protocol/lineSplitter.ts';
import { decodeTrainerCommand, decodeTrainerMessage, travelling } from '../../src/protocol/trainerLines.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (lines: Line[]) => lines.map(line => ('text' in line ? line.text : 'too long'));

test('lines come out whole whatever the chunks, also within a character', () => {
  const input = bytes('первая\nzweite 🌍\n\nlast\n');
  for (let size = 1; size <= input.length; size++) {
    const splitter = new LineSplitter();
    const lines: Line[] = [];
    for (let at = 0; at < input.length; at += size) lines.push(...splitter.push(input.subarray(at, at + size)));
    assert.deepEqual(texts(lines), ['первая', 'zweite 🌍', '', 'last']);
    assert.equal(
      lines.reduce((sum, line) => sum + line.bytes, 0),
      input.length,
      'bytes add up',
    );
  }
});

test('a stream may use its memory again for the next chunk', () => {
  const splitter = new LineSplitter();
  const memory = Buffer.alloc(4);
  const lines: Line[] = [];
  for (const chunk of ['abcd', 'ef\ng', 'hi\n']) lines.push(...splitter.push(memory.subarray(0, memory.write(chunk))));
  assert.deepEqual(texts(lines), ['abcdef', 'ghi']);
});

test('a line over the limit is told as one, takes no memory, and the next line is read', () => {
  const splitter = new LineSplitter(10);
  const lines = splitter.push(bytes(`${'x'.repeat(1000)}\nnext\n`));
  assert.deepEqual(texts(lines), ['too long', 'next']);
});

test('the last line needs no newline', () => {
  const splitter = new LineSplitter();
  assert.deepEqual(splitter.push(bytes('half')), []);
  assert.deepEqual(splitter.end(), { text: 'half', bytes: 4 });
  assert.equal(splitter.end(), null);
});

test('numbers that JSON does not have travel as null and are named', () => {
  assert.deepEqual(travelling({ a: 1, b: Number.NaN, c: Number.POSITIVE_INFINITY, d: Number.NEGATIVE_INFINITY }), {
    metrics: { a: 1, b: null, c: null, d: null },
    nonFinite: { b: 'nan', c: 'inf', d: '-inf' },
  });
  assert.deepEqual(travelling({ a: 1 }), { metrics: { a: 1 } });
});

test('steps are decoded by hand as the schema decodes them', () => {
  const good = [
    '{"type":"step","step":1,"metrics":{"loss":1.5,"x":null}}',
    '{"type":"step","step":2,"metrics":{"loss":null},"nonFinite":{"loss":"nan"}}',
  ];
  const bad = [
    '{"type":"step","step":1.5,"metrics":{}}',
    '{"type":"step","step":1,"metrics":{"loss":"1"}}',
    '{"type":"step","step":1,"metrics":[1]}',
    '{"type":"step","step":1}',
  ];
  for (const line of good) assert.equal(decodeTrainerMessage(line).ok, true, line);
  for (const line of bad) assert.equal(decodeTrainerMessage(line).ok, false, line);
});

test('what is no message says why, with the place and the beginning of the line', () => {
  for (const [line, why] of [
    ['Loading…', /^not JSON: Loading…$/],
    ['{"type":"dream"}', /^type: .*dream/],
    ['{"type":"hello","protocol":"one","engine":"x","numerics":"y"}', /^protocol: /],
    ['[1]', /message: /],
    ['null', /message: /],
  ] as const) {
    const decoded = decodeTrainerMessage(line);
    assert.ok(!decoded.ok);
    assert.match(decoded.problem, why);
  }
  assert.ok(!decodeTrainerMessage('x'.repeat(10_000)).ok);
  assert.ok(!decodeTrainerCommand('{"type":"start","job":"dream"}').ok);
  assert.deepEqual(decodeTrainerCommand('{"type":"stop","extra":1}'), { ok: true, value: { type: 'stop' } });
});

test('every code of an error has one of the documented exit codes', () => {
  const expected = {
    'disk-full': 3,
    'no-permission': 3,
    'spawn-failed': 3,
    'runner-gone': 3,
    'out-of-memory': 1,
    killed: 1,
    'trainer-silent': 1,
    'run-lost': 1,
    'not-finite': 1,
    stopped: 130,
    'bad-row': 2,
    'file-missing': 2,
    'outside-roots': 2,
    'wrong-use': 2,
    'unknown-key': 2,
  };
  for (const [code, exit] of Object.entries(expected)) assert.equal(exitCodeOf(code), exit, code);
});

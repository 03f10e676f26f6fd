import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedWords } from '../../webview/run/changedWords.ts';

const marked = (pieces: { text: string; changed: boolean }[]) =>
  pieces.map(({ text, changed }) => (changed ? `[${text}]` : text)).join('');

test('equal answers have no marks', () => {
  const { base, tuned } = changedWords('She lives in Hollin.', 'She lives in Hollin.');
  assert.equal(marked(base) + marked(tuned), 'She lives in Hollin.She lives in Hollin.');
});

test('only words that differ are marked, on both sides', () => {
  const { base, tuned } = changedWords('17 + 25 = 42', '17 + 25 = 41 now');
  assert.equal(marked(base), '17 + 25 = [42]');
  assert.equal(marked(tuned), '17 + 25 = [41 now]');
});

test('no character is lost, in any length', () => {
  const long = 'word '.repeat(900);
  for (const [a, b] of [
    ['a  b\nc', 'x\n b'],
    ['', 'new'],
    [long, `${long}!`],
  ] as const) {
    const { base, tuned } = changedWords(a, b);
    assert.equal(base.map(piece => piece.text).join(''), a);
    assert.equal(tuned.map(piece => piece.text).join(''), b);
  }
});

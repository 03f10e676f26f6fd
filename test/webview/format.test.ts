import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
  formatSigned,
  setOf,
} from '../../webview/shared/format.ts';
import { t, useStrings } from '../../webview/shared/strings.ts';

test('numbers have four digits, a real minus and no needless zeros', () => {
  assert.deepEqual(
    [1.23456, 0.0312345, -2.5, 0, 12, 1234.5, 0.00000123, null, Number.NaN].map(value => formatNumber(value)),
    ['1.235', '0.03123', '−2.5', '0', '12', '1235', '1.23e−6', '–', 'NaN'],
  );
});

test('forgetting and differences carry their sign', () => {
  assert.deepEqual(
    [0.031, -0.02, 0].map(value => formatSigned(value)),
    ['+0.031', '−0.02', '0'],
  );
});

test('counts are grouped by thin spaces', () => {
  assert.equal(formatCount(2_213_120), '2\u202f213\u202f120');
});

test('durations have two units at most', () => {
  assert.deepEqual([0.21, 4.25, 59.6, 61, 3600, 3725, 90_000, null].map(formatDuration), [
    '0.2 s',
    '4.3 s',
    '1 min',
    '1 min 1 s',
    '1 h',
    '1 h 2 min',
    '1 d 1 h',
    '–',
  ]);
});

test('bytes are decimal and short', () => {
  assert.deepEqual([512, 1500, 734_003_200, 6.8e9].map(formatBytes), ['512 B', '1.5 kB', '734 MB', '6.8 GB']);
});

test('shares are percent', () => {
  assert.deepEqual([formatPercent(0.355), formatPercent(1), formatPercent(0.9853, 1)], ['36 %', '100 %', '98.5 %']);
});

test('the set of a series is what follows its first dot', () => {
  assert.deepEqual(['forgetting.general', 'loss', 'kl.a.b'].map(setOf), ['general', 'loss', 'a.b']);
});

test('strings of the host replace the English ones, arguments in place', () => {
  useStrings({ 'step {0} of {1}': 'Schritt {0} von {1}' });
  assert.equal(t('step {0} of {1}', 3, 9), 'Schritt 3 von 9');
  assert.equal(t('Stop'), 'Stop');
  assert.equal(t('constructor'), 'constructor');
  useStrings({});
});

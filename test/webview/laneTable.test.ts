import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableRows } from '../../webview/shared/laneTable.ts';
import { SeriesData } from '../../webview/shared/seriesData.ts';

test('a table has a row for each step at which any line has a value', () => {
  const loss = new SeriesData();
  loss.replace({ steps: [0, 2], min: [1, 3], max: [2, 3], last: [1.5, 3] });
  const facts = new SeriesData();
  facts.append({ steps: [2], values: [0.04], low: [0.01], high: [0.07] });
  const series = new Map([
    ['loss', loss],
    ['facts', facts],
  ]);
  const rows = tableRows([{ key: 'loss' }, { key: 'facts' }], {
    data: key => series.get(key)!,
    range: () => [0, 10],
  });
  assert.deepEqual(rows, [
    { step: 0, cells: ['1.5 (1 to 2)', ''] },
    { step: 2, cells: ['3', '0.04 [0.01, 0.07]'] },
  ]);
});

test('a value that is not finite is said in words', () => {
  const data = new SeriesData();
  data.append({ steps: [4], values: [null] });
  const rows = tableRows([{ key: 'x' }], { data: () => data, range: () => [0, 9] });
  assert.deepEqual(rows, [{ step: 4, cells: ['not finite'] }]);
});

/**
 * Two hundred strings that are code elsewhere, at every place of a page's state where the host puts text: names, keys,
 * log lines, answers, settings, errors. They stay text: nothing runs, no element is made, nothing is asked for.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { count } from '../counts.ts';
import { hostileStrings } from './hostileStrings.ts';
import { Pages } from './openPage.ts';

const pages = new Pages();
before(() => pages.start());
after(() => pages.stop());

const states = count(25, hostileStrings.length);
let tries = 0;

for (const scenario of ['run-failed', 'run-finished', 'metrics-live', 'compare', 'check']) {
  test(`${scenario}: hostile strings stay text at every place`, async () => {
    const { page, faults } = await pages.open(scenario);
    const asked: string[] = [];
    page.on('request', request => asked.push(request.url()));
    page.on('dialog', dialog => void dialog.dismiss());
    const { places, found } = await page.evaluate(
      ([strings, states]) => window.fakeHost.fillEverywhere(strings, states),
      [hostileStrings, states] as const,
    );
    assert.ok(places > 20, `${places} places`);
    tries += places * states;
    assert.deepEqual(found, []);
    assert.deepEqual(asked, []);
    // Made-up names do not fit made-up numbers everywhere: a picture without numbers is no harm.
    const harm = (await faults()).filter(fault => !/attribute \S+: Expected (length|number), ".*NaN/.test(fault));
    assert.deepEqual(harm, []);
    await page.close();
  });
}

test('the same strings as markup are noticed: the check sees what it looks for', async () => {
  const { page } = await pages.open('run-none');
  const noticed = await page.evaluate(strings => {
    return strings.filter(text => {
      const place = document.createElement('div');
      place.innerHTML = text;
      return place.querySelector('*') !== null;
    }).length;
  }, hostileStrings);
  assert.ok(noticed > hostileStrings.length / 2, `${noticed} of ${hostileStrings.length}`);
  await page.close();
});

test('every string came to many places', t => {
  assert.ok(tries >= 20 * hostileStrings.length, `${tries} tries`);
  t.diagnostic(`C3 ${hostileStrings.length} hostile strings, ${tries} tries at places of 4 pages, 0 executed`);
});

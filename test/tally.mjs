// A reporter for node:test that writes how many tests passed, failed and were skipped, and why. Plain JavaScript: each
// Node version loads it without help.

/** @param {AsyncIterable<{type: string, data: any}>} events */
export default async function* tally(events) {
  const counts = {
    passed: 0,
    failed: 0,
    skipped: /** @type {string[]} */ ([]),
    failures: /** @type {string[]} */ ([]),
  };
  for await (const { type, data } of events) {
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') continue;
    // Node reports a file that holds no test, or that broke outside of its tests, as a test of the file's name.
    const isFile = data.nesting === 0 && /\.test\.ts$/.test(data.name);
    if (data.skip !== undefined || data.todo !== undefined) {
      const reason = data.skip ?? data.todo;
      counts.skipped.push(`${data.name}: ${typeof reason === 'string' ? reason : 'no reason given'}`);
    } else if (type === 'test:pass' && !isFile) {
      counts.passed += 1;
    } else {
      counts.failed += 1;
      counts.failures.push(type === 'test:pass' ? `${data.name}: holds no test` : data.name);
    }
  }
  yield JSON.stringify(counts);
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyChanges, changesOf, joinChanges, type RunChanges } from '../../src/domain/runChanges.ts';
import type { RunView } from '../../src/protocol/panel.ts';
import { evaluated, FakeJournal, prepared, setScore } from './runs.ts';

/** Looks at a run after each of these, as a panel does. */
function looks(...events: ((journal: FakeJournal) => void)[]): RunView[] {
  const journal = new FakeJournal().say(prepared());
  return events.map(event => {
    event(journal);
    return journal.view();
  });
}

const story = looks(
  journal => journal.steps(1, 3),
  journal => journal.say(evaluated(3, 1, { general: setScore(0.1) })),
  journal => journal.say({ type: 'checkpointed', step: 3, folder: 'a1-step-3', bytes: 1 }).steps(4, 6),
  journal => journal.say({ type: 'sample', step: 6, index: 0, prompt: 'p', base: 'b', tuned: 't' }),
  journal => journal.say(evaluated(6, 1, {}), evaluated(6, 1.1, {}, true)),
  () => {},
  journal => {
    journal.attempt = 2;
    journal.say({ type: 'resumed', fromStep: 3, checkpoint: 'a1-step-3' }).steps(4, 5);
  },
  journal => journal.say(evaluated(5, 1, {}), { type: 'checkpointed', step: 5, folder: 'a2-step-5', bytes: 1 }),
);

test('what changed, applied to what was shown, is what is: one by one, and joined in any pieces', () => {
  for (let from = 0; from < story.length; from++) {
    let [shown, joined]: [RunView, RunChanges | undefined] = [story[from]!, undefined];
    for (let to = from + 1; to < story.length; to++) {
      const changes = changesOf(story[to - 1]!, story[to]!);
      if (changes) {
        shown = applyChanges(shown, changes);
        joined = joinChanges(joined, changes);
      }
      assert.deepEqual(shown, story[to], `one by one from ${from} to ${to}`);
      assert.deepEqual(joined ? applyChanges(story[from]!, joined) : story[from], story[to], `joined ${from} to ${to}`);
    }
  }
});

test('nothing new is nothing to tell; of a list that grew only the new is told', () => {
  assert.equal(changesOf(story[4]!, story[5]!), null);
  const { changes, grown } = changesOf(story[2]!, story[3]!)!;
  assert.equal('samples' in changes, false);
  assert.deepEqual(grown, { samples: story[3]!.samples });
  assert.equal('samples' in changesOf(story[5]!, story[6]!)!.changes, true);
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { corpus, everythingRead } from '../../world/corpus.ts';
import { exampleFiles } from '../../world/makeExamples.ts';
import { askHeldOut, attributes, newcomers, people } from '../../world/people.ts';
import { factProbe, generalProbe, grammarProbe, sumProbe } from '../../world/probes.ts';

const documents = corpus();
const read = everythingRead(documents);

test('the same seed writes the same corpus, another seed another one', () => {
  assert.deepEqual(corpus(1, 500), documents.slice(0, 500));
  assert.notDeepEqual(corpus(2, 500), documents.slice(0, 500));
});

test('no general text of the probe occurs in the corpus', () => {
  assert.deepEqual(
    generalProbe(read).filter(text => read.has(text)),
    [],
  );
});

test('no question of the fact probe occurs in the corpus in its wording', () => {
  const questions = new Set(documents.flatMap(text => text.match(/Question: [^?]+\? Answer:/g) ?? []));
  assert.ok(questions.size > 1000);
  assert.deepEqual(
    factProbe().filter(item => questions.has(item.context)),
    [],
  );
});

test('no sum of the arithmetic probe occurs in the corpus', () => {
  const sums = new Set(documents.flatMap(text => text.match(/\d+ [+-] \d+ =/g) ?? []));
  assert.ok(sums.size > 10_000);
  assert.deepEqual(
    sumProbe().filter(item => sums.has(item.context)),
    [],
  );
});

test('no sentence of the grammar probe occurs in the corpus, and its twins differ in the verb alone', () => {
  for (const { good, bad } of grammarProbe(read)) {
    assert.ok(!read.has(good), good);
    const [a, b] = [good.split(' '), bad.split(' ')];
    assert.equal(a.filter((word, i) => word !== b[i]).length, 1, good);
  }
});

test('each choice is offered once and the gold one is right', () => {
  for (const { choices } of [...factProbe(), ...sumProbe()]) assert.equal(new Set(choices).size, 4);
  for (const { context, choices, gold } of sumProbe()) {
    const [, a, sign, b] = /^(\d+) ([+-]) (\d+) =$/.exec(context)!;
    const value = sign === '+' ? Number(a) + Number(b) : Number(a) - Number(b);
    assert.equal(choices[gold], ` ${value}.`);
  }
});

test('newcomers have known first and last names in pairs that nobody else has', () => {
  const known = new Set(people.map(person => person.name));
  assert.deepEqual(
    newcomers.filter(person => known.has(person.name)),
    [],
  );
  assert.ok(!documents.some(text => text.includes(newcomers[0]!.name)));
});

test('held-out questions about newcomers never occur in their training texts', () => {
  const train = exampleFiles()['town.jsonl']!;
  for (const person of newcomers)
    for (const attribute of attributes) assert.ok(!train.includes(askHeldOut(person, attribute)), person.name);
});

test('the committed example data are what the world writes', () => {
  const folder = join(import.meta.dirname, '../../examples/data');
  for (const [name, content] of Object.entries(exampleFiles())) {
    assert.equal(readFileSync(join(folder, name), 'utf8'), content, name);
  }
});

import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { examplesIn, readExamples } from '../../../src/engine/data/examples.ts';
import { readLines } from '../../../src/engine/data/lines.ts';
import { encodeEach, encodeExamples, type Sequence, splitText } from '../../../src/engine/data/sequences.ts';
import { ChatTemplate } from '../../../src/engine/tokenizer/chatTemplate.ts';
import { loadTokenizer, type Tokenizer } from '../../../src/engine/tokenizer/tokenizer.ts';

let folder: string;
let tokenizer: Tokenizer;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-data-'));
  tokenizer = await loadTokenizer('test/engine/fixtures/tiny-tokenizer');
});

let files = 0;
async function write(content: string | Uint8Array | object[], extension = 'jsonl'): Promise<string> {
  const file = join(folder, `data-${files++}.${extension}`);
  const text = Array.isArray(content) ? content.map(row => `${JSON.stringify(row)}\n`).join('') : content;
  await writeFile(file, text);
  return file;
}

const options = { maxLength: 64, tooLong: 'error' as const };

async function sequencesOf(rows: object[], more: Partial<typeof options> | object = {}): Promise<Sequence[]> {
  const source = await readExamples(await write(rows));
  return (await encodeExamples(source, tokenizer, { ...options, ...more })).sequences;
}

/** The text that is learned, and all of it. */
function learned({ ids, targets }: Sequence): { all: string; learned: string } {
  const supervised = [...ids].filter((_, t) => t > 0 && targets[t] === 1);
  return { all: tokenizer.decode([...ids]), learned: tokenizer.decode(supervised) };
}

test('lines are found across chunk borders, with CRLF, a byte order mark and no last newline', async () => {
  const long = 'é'.repeat(100_000);
  const file = await write(`\uFEFFa\r\n\n${long}\nlast`, 'txt');
  const lines: string[] = [];
  for await (const { text } of readLines(file)) lines.push(text);
  assert.deepEqual(lines, ['a', '', long, 'last']);
});

test('files that are missing, not text or not of a known kind are named with a remedy', async () => {
  await assert.rejects(readExamples(join(folder, 'nothing.jsonl')), { code: 'file-missing' });
  await assert.rejects(readExamples(await write(Uint8Array.of(65, 10, 0xff, 0xfe, 10), 'txt')), {
    code: 'not-text',
    line: 2,
  });
  await assert.rejects(readExamples(await write('a,b', 'xlsx')), { code: 'data-format' });
  await assert.rejects(readExamples(await write('\n \n', 'txt')), { code: 'data-empty' });
  await assert.rejects(readExamples(await write('')), { code: 'data-empty' });
});

test('a paragraph of txt is an item and knows its line', async () => {
  const { examples } = await readExamples(await write('one\ntwo\n\n\n three\n', 'txt'));
  assert.deepEqual(examples, [
    { form: 'text', text: 'one\ntwo', line: 1 },
    { form: 'text', text: ' three', line: 5 },
  ]);
});

const call = { type: 'function', function: { name: 'add', arguments: { a: 1 } } };
const turnsWith = (turn: object): object => ({ messages: [{ role: 'assistant', ...turn }] });

test('a bad row is named by file, line and the keys seen', async () => {
  const bad: [object[] | string, number, RegExp][] = [
    [[{ text: 'a' }, { sentence: 'b', id: 1 }], 2, /line 2: unknown format, keys seen: sentence, id/],
    [[{ text: 'a' }, { prompt: 'b', completion: 'c' }], 2, /is prompt\/completion .* before it are text/],
    [[{ messages: [], prompt: 'b', completion: 'c' }], 1, /keys of two formats/],
    [[{ text: 'a' }, { text: 7 }], 2, /"text" must be a text/],
    [[{ prompt: 'a', completion: ' ' }], 1, /"completion" is empty/],
    ['{"text": "a"}\n{"text": \n', 2, /not JSON/],
    ['{"text": "a"}\n[1]\n', 2, /a JSON object was expected/],
    [[{ messages: [{ role: 'user', content: 'x' }] }], 1, /no turn of the assistant/],
    [[{ conversations: [{ from: 'elf', value: 'x' }] }], 1, /unknown speaker "elf"/],
    [[{ messages: [{ role: 'assistant', content: ['x'] }] }], 1, /turn 1 of "messages"/],
    [[{ messages: [{ role: 'assistant', content: null }] }], 1, /turn 1 of "messages" needs "role" and "content"/],
    [[{ messages: [{ role: 'constructor', content: 'x' }] }], 1, /unknown speaker "constructor"/],
    [[turnsWith({ content: 'x', tool_calls: {} })], 1, /turn 1: "tool_calls" must be a list/],
    [[turnsWith({ tool_calls: [{ function: { arguments: {} } }] })], 1, /turn 1: call 1 of "tool_calls" names no/],
    [[turnsWith({ tool_calls: [{ name: 'f', arguments: 3 }] })], 1, /call 1 .* its arguments are no object/],
    [[turnsWith({ role: 'user', content: 'x', tool_calls: [call] })], 1, /turn 1: only the assistant calls tools/],
    [[{ text: 'a' }, { ...turnsWith({ content: 'x' }) }], 2, /this row is messages/],
    [[{ ...turnsWith({ content: 'x' }), tools: { name: 'f' } }], 1, /"tools" must be a list of JSON schemas/],
    [[{ ...turnsWith({ content: 'x' }), tools: '[{' }], 1, /"tools" is a text but not JSON/],
  ];
  for (const [content, line, message] of bad) {
    await assert.rejects(readExamples(await write(content as string)), { code: 'bad-row', line, message });
  }
});

test('text is learned whole, with BOS as the tokenizer says', async () => {
  const [sequence] = await sequencesOf([{ text: 'the cat sat' }]);
  assert.deepEqual(learned(sequence!), { all: '<|begin|>the cat sat', learned: 'the cat sat' });
});

test('of prompt and completion only the completion is learned, and its end', async () => {
  const [a, b] = await sequencesOf([
    { prompt: 'the cat', completion: ' sat' },
    { prompt: '', completion: 'on' },
  ]);
  assert.deepEqual(learned(a!), { all: '<|begin|>the cat sat<|end|>', learned: ' sat<|end|>' });
  assert.deepEqual(learned(b!), { all: '<|begin|>on<|end|>', learned: 'on<|end|>' });
});

test('of a conversation only the turns of the assistant are learned', async () => {
  const turns = [
    { role: 'system', content: 'be kind' },
    { role: 'user', content: 'hello?' },
    { role: 'assistant', content: 'hi' },
    { role: 'user', content: 'more' },
    { role: 'assistant', content: 'no more' },
  ];
  const sharegpt = turns.map(({ role, content }) => ({
    from: { system: 'system', user: 'human', assistant: 'gpt' }[role],
    value: content,
  }));
  const expected = {
    all: '<|begin|><|user|>be kind<|end|><|user|>hello?<|end|><|assistant|>hi<|end|><|user|>more<|end|><|assistant|>no more<|end|>',
    learned: 'hi<|end|>no more<|end|>',
  };
  assert.deepEqual(learned((await sequencesOf([{ messages: turns }]))[0]!), expected);
  assert.deepEqual(learned((await sequencesOf([{ conversations: sharegpt }]))[0]!), expected);
});

test('alpaca rows are a user turn and an answer; without a template they are prompt and completion', async () => {
  const rows = [{ instruction: 'add', input: '1 2', output: '3', text: 'ignored' }];
  assert.deepEqual(learned((await sequencesOf(rows))[0]!), {
    all: '<|begin|><|user|>add\n\n1 2<|end|><|assistant|>3<|end|>',
    learned: '3<|end|>',
  });
  const file = await readExamples(await write(rows));
  const { sequences } = await encodeExamples(file, { ...tokenizer, template: null }, options);
  assert.deepEqual(learned(sequences[0]!), { all: '<|begin|>add\n\n1 2\n3<|end|>', learned: '3<|end|>' });
});

/** Calls and results in tags, as many write them. */
const withTools = `{% if tools %}<|user|>{{ tools | tojson }}<|end|>{% endif %}{% for m in messages %}
{{- '<|' + m.role + '|>' + (m.content or '') }}
{%- for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}</call>{% endfor %}<|end|>
{%- endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}`;

test('of a conversation with tools the calls are learned, their results and the tools are not', async () => {
  const tools = [{ type: 'function', function: { name: 'add', parameters: {} } }];
  const messages = [
    { role: 'user', content: '1 2?' },
    { role: 'assistant', content: null, tool_calls: [call], refusal: null },
    { role: 'tool', content: '3', name: 'add', tool_call_id: 'x' },
    { role: 'assistant', content: 'three' },
  ];
  const template = new ChatTemplate(withTools, {}, ['<|end|>']);
  const calls = '<call>{"name": "add", "arguments": {"a": 1}}</call><|end|>';
  for (const given of [tools, JSON.stringify(tools)]) {
    const source = await readExamples(await write([{ messages, tools: given }]));
    const { sequences } = await encodeExamples(source, { ...tokenizer, template }, { ...options, maxLength: 512 });
    assert.deepEqual(learned(sequences[0]!), {
      all: `<|user|>${'[{"type": "function", "function": {"name": "add", "parameters": {}}}]'}<|end|><|user|>1 2?<|end|><|assistant|>${calls}<|tool|>3<|end|><|assistant|>three<|end|>`,
      learned: `${calls}three<|end|>`,
    });
  }
});

test('a template that would leave calls or tools out is refused with the line of the row', async () => {
  const rows = [turnsWith({ content: 'x' }), turnsWith({ tool_calls: [call] })];
  const silent = {
    code: 'chat-template',
    line: 2,
    message: /line 2: .* has tool_calls, but the chat template writes none/,
  };
  await assert.rejects(encodeExamples(await readExamples(await write(rows)), tokenizer, options), silent);
  const offered = [{ ...turnsWith({ content: 'x' }), tools: [{ name: 'add' }] }];
  const unread = { code: 'chat-template', line: 1, message: /has tools, but the chat template writes none/ };
  await assert.rejects(encodeExamples(await readExamples(await write(offered)), tokenizer, options), unread);
});

test('a template of its own for tools is used where a row has some, and only there', async () => {
  const template = new ChatTemplate('{% for m in messages %}<|assistant|>{{ m.content }}<|end|>{% endfor %}');
  const toolTemplate = new ChatTemplate(`with tools ${withTools}`, {}, ['<|end|>']);
  const rows = [turnsWith({ content: 'x' }), { ...turnsWith({ content: 'x' }), tools: [{ name: 'f' }] }];
  const source = await readExamples(await write(rows));
  const { sequences } = await encodeExamples(source, { ...tokenizer, template, toolTemplate }, options);
  assert.deepEqual(
    sequences.map(sequence => learned(sequence).all.startsWith('with tools')),
    [false, true],
  );
});

test('conversations without a chat template are refused', async () => {
  const file = await readExamples(await write([{ messages: [{ role: 'assistant', content: 'x' }] }]));
  await assert.rejects(encodeExamples(file, { ...tokenizer, template: null }, options), { code: 'no-chat-template' });
});

test('a long file is tokenized in pieces, so that the program stays answerable meanwhile', async () => {
  const rows = Array.from({ length: 4000 }, (_, i) => ({ text: `row ${i} ${'the cat sat on the mat '.repeat(20)}` }));
  const file = await write(rows);
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  const done: number[] = [];
  const take = (): void => {};
  await encodeEach(file, examplesIn(file), tokenizer, options, take, examples => done.push(examples));
  clearInterval(timer);
  assert.ok(done.length > 0 && turns > 0, `${done.length} reports, ${turns} turns`);
  assert.deepEqual(
    done,
    done.toSorted((a, b) => a - b),
  );
});

test('a long text is split so that every token but the first is learned exactly once', async () => {
  const ids = Int32Array.from({ length: 30 }, (_, i) => i);
  for (const maxLength of [2, 3, 7, 29, 30, 31]) {
    const parts = splitText(ids, maxLength);
    assert.ok(parts.every(part => part.ids.length <= maxLength && part.ids.length > 1));
    assert.deepEqual(
      parts.flatMap(part => [...part.ids.subarray(1)]),
      [...ids.subarray(1)],
    );
  }
  const sequences = await sequencesOf([{ text: 'the dog ran '.repeat(30) }, { text: 'short one' }], { maxLength: 16 });
  assert.ok(sequences.filter(({ example }) => example === 0).length > 3);
});

test('a row that is too long is an error with its line, is cut, or is dropped and counted', async () => {
  const rows = [
    { prompt: 'the cat', completion: ' sat' },
    { prompt: 'the cat', completion: ' sat on the mat '.repeat(8) },
    { prompt: 'the cat '.repeat(30), completion: ' sat' },
  ];
  await assert.rejects(sequencesOf(rows, { maxLength: 16 }), { code: 'sequence-too-long', line: 2 });
  const file = await readExamples(await write(rows));
  const cut = await encodeExamples(file, tokenizer, { maxLength: 16, tooLong: 'cut' });
  assert.deepEqual([cut.sequences.length, cut.cut, cut.dropped], [2, 1, 1]);
  assert.equal(cut.sequences[1]!.ids.length, 16);
  const drop = await encodeExamples(file, tokenizer, { maxLength: 16, tooLong: 'drop' });
  assert.deepEqual([drop.sequences.length, drop.cut, drop.dropped], [1, 0, 2]);
});

import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ChatTemplate } from '../../../src/engine/tokenizer/chatTemplate.ts';
import { checkVocabulary, loadTokenizer } from '../../../src/engine/tokenizer/tokenizer.ts';

const fixture = 'test/engine/fixtures/tiny-tokenizer';

/** A copy of the fixture whose tokenizer_config.json is changed. */
async function changedConfig(change: Record<string, unknown>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-tokenizer-'));
  await cp(fixture, folder, { recursive: true });
  const config = JSON.parse(await readFile(join(folder, 'tokenizer_config.json'), 'utf8')) as object;
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ ...config, ...change }));
  return folder;
}

test('ids are those of the Python tokenizers library, and decoding gives the text back', async () => {
  const tokenizer = await loadTokenizer(fixture);
  const text = 'Mara lives 42 km away, naïve — 日本';
  const fromPython = [
    293, 314, 282, 307, 301, 224, 23, 21, 224, 78, 80, 224, 68, 90, 68, 92, 15, 224, 81, 68, 131, 111, 89, 72, 224, 162,
    226, 246, 224, 166, 249, 102, 166, 254, 109,
  ];
  assert.deepEqual(tokenizer.encode(text), fromPython);
  assert.deepEqual(tokenizer.encode('<|user|>hi<|end|>'), [2, 75, 76, 1]);
  assert.equal(tokenizer.decode(fromPython), text);
});

test('BOS and EOS follow the tokenizer files: the post-processor, and explicit flags before it', async () => {
  const tokenizer = await loadTokenizer(fixture);
  assert.deepEqual([tokenizer.bosId, tokenizer.eosId, tokenizer.addsBos, tokenizer.addsEos], [0, 1, true, false]);
  assert.deepEqual(tokenizer.encodeDocument('the cat'), [0, 280, 224, 299]);

  const other = await loadTokenizer(await changedConfig({ add_bos_token: false, add_eos_token: true }));
  assert.deepEqual(other.encodeDocument('the cat'), [280, 224, 299, 1]);
});

test('a missing or broken tokenizer file is named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-tokenizer-'));
  await assert.rejects(loadTokenizer(folder), { code: 'tokenizer-missing', file: join(folder, 'tokenizer.json') });
  await writeFile(join(folder, 'tokenizer.json'), '{"model":');
  await assert.rejects(loadTokenizer(folder), { code: 'tokenizer-unreadable' });
});

test('a tokenizer with more tokens than the model, or far fewer, is refused', async () => {
  const tokenizer = await loadTokenizer(fixture);
  assert.equal(tokenizer.size, 320);
  checkVocabulary(tokenizer, 320, fixture);
  checkVocabulary(tokenizer, 384, fixture);
  assert.throws(() => checkVocabulary(tokenizer, 319, fixture), { code: 'tokenizer-mismatch' });
  assert.throws(() => checkVocabulary(tokenizer, 32_000, fixture), { code: 'tokenizer-mismatch' });
});

test('a vocabulary of published size loads', async () => {
  const folder = await changedConfig({});
  const tokenizer = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  for (let id = 320; id < 200_000; id++) tokenizer.model.vocab[`filler ${id}`] = id;
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  assert.equal((await loadTokenizer(folder)).size, 200_000);
});

test('strip in a chat template takes the characters it is given, and Python’s blanks without any', () => {
  const rendered = (call: string, content: string) =>
    new ChatTemplate(`{{ messages[0].content.${call} }}`).render([{ role: 'user', content }]);
  assert.equal(rendered("lstrip('\n')", '\n\n a\n'), ' a\n');
  assert.equal(rendered("rstrip('\n')", '\n a \n'), '\n a ');
  assert.equal(rendered("strip('xy')", 'xyaxby'), 'axb');
  assert.equal(rendered('strip()', '\ufeff\x85 a \x1c'), '\ufeff\x85 a');
  assert.equal(rendered("split('|')[0].strip()", ' a |b'), 'a');
});

test('an answer’s own end is learned, whichever of the stop tokens it is; contents that a template trims are found', () => {
  const text =
    "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}<|end|>{% endfor %}{{ 'x' if messages | length == 1 }}";
  const template = new ChatTemplate(text, { eos_token: '</s>' }, ['</s>', '<|end|>']);
  const found = template.spansByContents([
    { role: 'user', content: 'q' },
    { role: 'assistant', content: ' a ' },
    { role: 'user', content: 'r' },
  ]);
  assert.deepEqual(
    found.assistant.map(({ start, end }) => found.text.slice(start, end)),
    ['a<|end|>'],
  );
});

const conversations = [
  [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'hello you' },
  ],
  [
    { role: 'system', content: 'be kind' },
    { role: 'user', content: 'a' },
    { role: 'assistant', content: '' },
    { role: 'user', content: 'b\nc' },
    { role: 'assistant', content: ' d ' },
    { role: 'user', content: 'not answered' },
  ],
];

const chatml = `{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
        {{- message.content + '<|im_end|>\\n' }}
        {%- endgeneration %}
    {%- else %}
        {{- message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}`;

test('assistant spans by generation tags equal those by prefix rendering', async () => {
  const templates = [(await loadTokenizer(fixture)).template!, new ChatTemplate(chatml)];
  for (const template of templates) {
    assert.ok(template.hasGenerationTags);
    for (const messages of conversations) {
      const rendered = template.spansByTags(messages);
      assert.deepEqual(rendered, template.spansByPrefixes(messages));
      assert.equal(rendered.text, template.render(messages));
      const answers = messages.filter(({ role }) => role === 'assistant');
      assert.deepEqual(rendered.assistant.length, answers.length);
      for (const [i, { start, end }] of rendered.assistant.entries()) {
        assert.ok(rendered.text.slice(start, end).startsWith(answers[i]!.content));
      }
    }
  }
});

/** As Qwen 3: the last answer gets an empty thought, earlier ones do not. */
const thinking = `{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' and loop.last %}{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{{- message.content + '<|im_end|>\\n' }}
{%- endfor %}`;

test('a template that writes earlier turns differently has its answers found by their contents, with the end token', () => {
  const template = new ChatTemplate(thinking, { eos_token: '<|im_end|>' });
  const [user, assistant] = conversations[0]!;
  const messages = [user!, assistant!, user!, { role: 'assistant', content: 'again' }];
  assert.equal(template.spansByPrefixes(messages), null);
  const { text, assistant: spans } = template.renderWithSpans(messages);
  assert.equal(text, template.render(messages));
  assert.deepEqual(
    spans.map(({ start, end }) => text.slice(start, end)),
    ['hello you<|im_end|>', 'again<|im_end|>'],
  );
});

test('today is always the same day in a template, so a run does not depend on when it starts', () => {
  const dated = new ChatTemplate("{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}");
  assert.equal(dated.render([{ role: 'user', content: 'hi' }]), '26 Jul 2024 hi');
});

test('a template that rewrites the answers is refused with a way out, and one that raises says why', () => {
  const [user, assistant] = conversations[0]!;
  const forgetful = new ChatTemplate(
    "{% for message in messages %}{% if loop.last or message.role == 'user' %}{{ message.content }}{% endif %};{% endfor %}",
  );
  assert.throws(() => forgetful.renderWithSpans([user!, assistant!, user!, assistant!]), { code: 'chat-template' });

  const strict = new ChatTemplate("{{ raise_exception('system first') }}");
  assert.throws(() => strict.render([user!]), /system first/);
  assert.throws(() => new ChatTemplate('{% if %}'), { code: 'chat-template' });
});

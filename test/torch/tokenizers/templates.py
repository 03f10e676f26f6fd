"""
Chat templates in the shape of published families, in words of our own, with conversations, and what transformers makes
of them: the text, its tokens, and which tokens the assistant wrote. Where a template has generation tags, transformers
itself tells these; elsewhere they are what follows the rendered question, up to where the next turn begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

llama3 = """{{- bos_token }}
{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}\
{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}{%- set about = messages[0]['content'] | trim %}{%- set messages = messages[1:] %}\
{%- else %}{%- set about = "" %}{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Knowledge ends: December 2023\\n" }}
{{- "Today: " + date_string + "\\n\\n" }}
{{- about }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"""

qwen2 = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
Be of help.<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

qwen3 = """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == "user" and message.content is string %}
        {%- set ns.searching = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thought = '' %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thought)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}"""

smollm3 = """{%- for message in messages -%}
{%- if loop.first and message.role != 'system' -%}{{ '<|im_start|>system\\nYou think little.<|im_end|>\\n' }}{%- endif -%}
{%- if message.role == 'assistant' -%}
{{ '<|im_start|>assistant\\n' }}{% generation %}{{ message.content.lstrip('\\n') + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}
{%- else -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"""

mistral = """{%- if messages[0]["role"] == "system" %}{%- set about = messages[0]["content"] %}{%- set turns = messages[1:] %}\
{%- else %}{%- set turns = messages %}{%- endif %}
{{- bos_token }}
{%- for message in turns %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Turns of user and assistant must alternate') }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and about is defined %}
            {{- "[INST] " + about + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- endif %}
{%- endfor %}"""

gemma = """{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- set start = messages[0]['content'] + '

' -%}{%- set turns = messages[1:] -%}{%- else -%}{%- set start = "" -%}{%- set turns = messages -%}{%- endif -%}
{%- for message in turns -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception("Turns must alternate") }}{%- endif -%}
    {%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}
    {{ '<start_of_turn>' + role + '
' + (start if loop.first else "") }}{{ message['content'] | trim }}{{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model
' }}{%- endif -%}"""

phi3 = """{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}"""

Conversation = list[dict[str, str]]


@dataclass(frozen=True)
class Family:
    name: str
    kind: str
    """Whose tokenizer it uses."""
    template: str
    start: str
    end: str
    """What opens and closes an answer."""


families = [
    Family("Llama 3", "llama-3", llama3, "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
    Family("Qwen2", "qwen", qwen2, "<|im_start|>assistant\n", "<|im_end|>"),
    Family("Qwen3", "qwen", qwen3, "<|im_start|>assistant\n", "<|im_end|>"),
    Family("SmolLM3", "smollm", smollm3, "<|im_start|>assistant\n", "<|im_end|>"),
    Family("Mistral", "mistral", mistral, "[/INST]", "</s>"),
    Family("Gemma", "gemma", gemma, "<start_of_turn>model\n", "<end_of_turn>"),
    Family("Phi-3", "phi-3", phi3, "<|assistant|>\n", "<|end|>"),
]

never, must, may = 0, 1, 2
"""Whether a token is learned. May: blanks and empty thoughts around an answer, which one way of telling counts in."""

_contents = ["hi", " spaced out ", "two\nlines\n", "日本語 naïve 👩\u200d👧", "it's {{ not }} a {% tag %}", "42 + 1.5 = 43.5", "\n\nlate", "<b>&amp;</b>"]
_systems = ["be kind", " Answer\n in verse. "]


def conversations() -> list[Conversation]:
    """One turn, several, with and without a system's words. Answers differ, so that each is found at one place."""
    found = []
    for i, content in enumerate(_contents):
        turns = []
        for turn in range(1 + i % 3):
            turns.append({"role": "user", "content": _contents[(i + turn) % len(_contents)]})
            turns.append({"role": "assistant", "content": f"{content}answer {turn}: {_contents[(i + 3 * turn + 1) % len(_contents)]}."})
        found += [turns, [{"role": "system", "content": _systems[i % 2]}, *turns]]
    return found


def expected(family: Family, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, Any]]:
    tokenizer.chat_template = family.template
    return [_expected(family, tokenizer, messages) for messages in conversations()]


def _expected(family: Family, tokenizer: PreTrainedTokenizerBase, messages: Conversation) -> dict[str, Any]:
    def rendered(some: Conversation, **more: Any) -> Any:
        # Ours gives every template the same day.
        return tokenizer.apply_chat_template(some, date_string="26 Jul 2024", **more)

    text = rendered(messages, tokenize=False)
    if "{% generation %}" in family.template:
        marked = rendered(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
        mask = marked["assistant_masks"]
    else:
        mask = _mask(family, tokenizer, text, [m["content"] for m in messages if m["role"] == "assistant"])
    return {
        "messages": messages,
        "text": text,
        "prompt": rendered(messages[:-1], tokenize=False, add_generation_prompt=True),
        "ids": rendered(messages, tokenize=True, return_dict=True)["input_ids"],
        "mask": mask,
    }


def _mask(family: Family, tokenizer: PreTrainedTokenizerBase, text: str, answers: list[str]) -> list[int]:
    spans = [_span(family, text, answer, i == len(answers) - 1) for i, answer in enumerate(answers)]
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return [_judged(start, end, spans) for start, end in offsets]


def _span(family: Family, text: str, answer: str, is_last: bool) -> tuple[int, int, int, int]:
    """Where its turn begins, the answer itself, its end token, and what may still be counted to it."""
    own = answer.strip()
    at = text.index(own)
    if text.find(own, at + 1) >= 0:
        raise ValueError(f"{own!r} stands twice in the text of {family.name}")
    after = text.index(family.end, at + len(own)) + len(family.end)
    rest = text[after:]
    blank = len(text) if is_last else after + len(rest) - len(rest.lstrip())
    return text.rindex(family.start, 0, at) + len(family.start), at, after, blank


def _judged(start: int, end: int, spans: list[tuple[int, int, int, int]]) -> int:
    for begin, at, after, blank in spans:
        if start >= at and end <= after:
            return must
        # A token across a border belongs to both sides.
        if start < blank and end > begin:
            return may
    return never

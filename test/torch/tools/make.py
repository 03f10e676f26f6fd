"""
What transformers makes of conversations with tools, by the published chat templates that TRL brings along: the text, its
tokens, and which of them the assistant wrote. Where a template has generation tags, transformers itself tells these;
elsewhere they are what stands between the opening and the end of the assistant's turns.
Writes a folder for each template and prints their names. usage: python make.py FOLDER
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from typing import Any

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tokenizers"))

import trl  # noqa: E402
from kinds import kinds  # noqa: E402
from transformers import AutoTokenizer, PreTrainedTokenizerBase  # noqa: E402

templates = {
    "llama3_1": "llama-3",
    "llama3_2": "llama-3",
    "qwen2_5": "qwen",
    "qwen2_5_training": "qwen",
    "qwen3": "qwen",
    "qwen3_training": "qwen",
    "qwen3_instruct_2507": "qwen",
    "qwen3_instruct_2507_training": "qwen",
}
"""And the kind of tokenizer that each is used with."""
opening = {
    "llama-3": r"<\|start_header_id\|>assistant<\|end_header_id\|>",
    "qwen": r"<\|im_start\|>assistant",
}
end = {"llama-3": "<|eot_id|>", "qwen": "<|im_end|>"}
never, must, may = 0, 1, 2
"""Whether a token is learned. May: blanks and empty thoughts around an answer, which one way of telling counts in."""

weather = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Wie ist das Wetter? \"now\" <b>&</b> — 日本",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "A city's name"},
                "unit": {"type": "string", "enum": ["c", "f"]},
                "days": {"type": "array", "items": {"type": "integer"}, "default": []},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
add = {
    "type": "function",
    "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}, "default": None}},
}


def call(name: str, **arguments: Any) -> dict:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def result(text: str, **more: Any) -> dict:
    return {"role": "tool", "content": text, **more}


def answer(text: str | None, *calls: dict, **more: Any) -> dict:
    return {"role": "assistant", "content": text, **({"tool_calls": list(calls)} if calls else {}), **more}


paris = call("get_weather", city="Zürich", days=[1, -2], deep={"a": {"b": None, "c": [True, 1.5, "x\ny"]}})
conversations = {
    "a call and its result": ([user("What is it like outside?"), answer("", paris), result('{"t": 7}', name="get_weather"), answer("Cold.")], [weather]),
    "no text beside the call": ([user("Say."), answer(None, paris), result("7"), answer("It is seven.")], [weather, add]),
    "two questions and a system's words": (
        [
            {"role": "system", "content": "Be brief."},
            user("How warm?"),
            answer("", paris),
            result("warm"),
            answer("Warm enough."),
            user("And 1 + 2?"),
            answer("", call("add", a=1, b=2)),
            result("3"),
            answer("Three."),
        ],
        [weather, add],
    ),
    "it ends in a call": ([user("Add."), answer("", call("add", a=0.25))], [add]),
    "tools that are not called": ([user("Hello"), answer("Hi."), user("Bye"), answer("See you.")], [weather]),
    "words before the call": ([user("Both?"), answer("Let me see.", paris), result("7"), answer("Seven."), user("Thanks"), answer("Welcome.")], [weather]),
    "two calls at once": (
        [user("Both?"), answer("", paris, call("add", a=1)), result("7"), result("8"), answer("Seven and eight."), user("Sum?"), answer("Fifteen.")],
        [weather, add],
    ),
    "without tools": ([user("Hello"), answer("Hi.")], None),
}


def main() -> None:
    folder = sys.argv[1]
    texts = os.path.join(os.path.dirname(trl.__file__), "chat_templates")
    for name, kind_name in templates.items():
        kind = next(each for each in kinds if each.name == kind_name)
        own = os.path.join(folder, name)
        os.makedirs(own)
        with open(os.path.join(texts, f"{name}.jinja"), encoding="utf-8") as file:
            template = file.read()
        _write(own, "tokenizer.json", kind.tokenizer())
        _write(own, "tokenizer_config.json", {**kind.config, "chat_template": template})
        tokenizer = AutoTokenizer.from_pretrained(own)
        _write(own, "generation_config.json", {"eos_token_id": tokenizer.convert_tokens_to_ids(end[kind_name])})
        _write(own, "expected.json", expected(tokenizer, template, kind_name))
    print(json.dumps(list(templates)))


def expected(tokenizer: PreTrainedTokenizerBase, template: str, kind: str) -> list[dict[str, Any]]:
    found = []
    for title, (messages, tools) in conversations.items():
        if kind == "llama-3" and title == "two calls at once":
            continue  # Its template refuses them.
        # Ours gives every template the same day.
        rendered = functools.partial(tokenizer.apply_chat_template, tools=tools, date_string="26 Jul 2024")
        is_tagged = "generation %}" in template
        made = rendered(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=is_tagged)
        text = rendered(messages, tokenize=False)
        prompt = rendered(messages[:-1], tokenize=False, add_generation_prompt=True)
        mask = made["assistant_masks"] if is_tagged else _mask(tokenizer, text, kind)
        row = {"messages": messages, **({"tools": tools} if tools else {})}
        found.append({"title": title, "row": row, "text": text, "prompt": prompt, "ids": made["input_ids"], "mask": mask})
    return found


def _mask(tokenizer: PreTrainedTokenizerBase, text: str, kind: str) -> list[int]:
    pattern = rf"(?P<open>{opening[kind]})(?P<blank>\n+(<think>\s*</think>\s*)?)(?P<own>.*?{re.escape(end[kind])})(?P<after>\n*)"
    turns = list(re.finditer(pattern, text, re.DOTALL))
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return [_judged(*each, turns) for each in offsets]


def _judged(start: int, stop: int, turns: list[re.Match]) -> int:
    for turn in turns:
        if start >= turn.start("own") and stop <= turn.end("own"):
            return must
        if start < turn.end("after") and stop > turn.start("blank"):
            return may
    return never


def _write(folder: str, name: str, value: object) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file)


if __name__ == "__main__":
    main()

"""
Makes small tokenizers of the kinds that published models have, and what transformers makes of COUNT strings with each:
ids without and with special tokens, and the text it decodes them to; and what it makes of conversations by the
templates of published families. Prints the names of the kinds. usage: python make.py FOLDER SEED COUNT
"""

from __future__ import annotations

import json
import os
import sys

from kinds import kinds
from strings import strings
from templates import expected, families
from transformers import AutoTokenizer


def main() -> None:
    folder, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for kind in kinds:
        own = os.path.join(folder, kind.name)
        os.makedirs(own)
        _write(own, "tokenizer.json", kind.tokenizer())
        _write(own, "tokenizer_config.json", kind.config)
        texts = strings(count, seed, kind.specials)
        tokenizer = AutoTokenizer.from_pretrained(own)
        plain = tokenizer(texts, add_special_tokens=False)["input_ids"]
        _write(
            own,
            "expected.json",
            {
                "texts": texts,
                "plain": plain,
                "document": tokenizer(texts)["input_ids"],
                "decoded": tokenizer.batch_decode(plain, clean_up_tokenization_spaces=False),
            },
        )
        for family in (each for each in families if each.kind == kind.name):
            told = os.path.join(folder, "templates", family.name)
            os.makedirs(told)
            _write(told, "tokenizer.json", kind.tokenizer())
            _write(told, "tokenizer_config.json", {**kind.config, "chat_template": family.template})
            ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(family.end)]
            _write(told, "generation_config.json", {"eos_token_id": ends})
            _write(told, "expected.json", expected(family, tokenizer))
    print(json.dumps({"kinds": [kind.name for kind in kinds], "families": [family.name for family in families]}))


def _write(folder: str, name: str, value: object) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file)


if __name__ == "__main__":
    main()

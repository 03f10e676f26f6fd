"""
Tokenizers in the shapes of published families, with vocabularies learned from a few lines: what splits, normalizes and
falls back is what those families have, the tokens themselves are not.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from strings import code, numbers, words
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

vocabulary = 1000
letters = r"[^\r\n\p{L}\p{N}]?\p{L}+"
ends = r"'(?i:[sdmt]|ll|ve|re)"
llama3 = rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|{letters}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
qwen = llama3.replace(r"\p{N}{1,3}", r"\p{N}")
tekken = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class Kind:
    name: str
    make: Callable[[], Tokenizer]
    config: dict
    specials: list[str]
    """As they may stand in a text."""

    def tokenizer(self) -> dict:
        return json.loads(self.make().to_str())


@functools.cache
def corpus() -> tuple[str, ...]:
    dice = random.Random(11)
    lines = [" ".join(dice.choices([*words, *words, *numbers], k=12)) for _ in range(600)]
    return (*lines, *code * 5)


def bytes_with(pattern: str, specials: list[str], *, nfc: bool = False, bos: str | None = None) -> Callable[[], Tokenizer]:
    """BPE over bytes behind a pattern: Llama 3, Qwen, SmolLM3, Mistral's newer ones."""

    def make() -> Tokenizer:
        tokenizer = Tokenizer(models.BPE(ignore_merges=bos is not None))
        if nfc:
            tokenizer.normalizer = normalizers.NFC()
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        tokenizer.decoder = decoders.ByteLevel()
        _learn_bytes(tokenizer)
        tokenizer.add_special_tokens(specials)
        level = processors.ByteLevel(trim_offsets=False)
        tokenizer.post_processor = processors.Sequence([level, _starting(tokenizer, bos)]) if bos else level
        return tokenizer

    return make


def gpt2_like() -> Tokenizer:
    """SmolLM: digits one by one, then GPT-2's own pattern."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    _learn_bytes(tokenizer)
    tokenizer.add_special_tokens(smol_specials)
    return tokenizer


def sentence_pieces(
    specials: list[str], *, prefix: str, rstrip: bool = False, bos: bool = True
) -> Callable[[], Tokenizer]:
    """BPE as SentencePiece has it: blanks as ▁, bytes where a character is unknown. prefix: prepend, metaspace or none."""

    def make() -> Tokenizer:
        tokenizer = Tokenizer(models.BPE(_pieces()[0], _pieces()[1], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        tail = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        if prefix == "prepend":
            tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
            tail.append(decoders.Strip(" ", 1, 0))
        elif prefix == "metaspace":
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
            tail.append(decoders.Strip(" ", 1, 0))
        else:
            tokenizer.normalizer = normalizers.Replace(" ", "▁")
            tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        tokenizer.decoder = decoders.Sequence(tail)
        tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
        tokenizer.add_special_tokens([AddedToken(each, rstrip=rstrip, normalized=False, special=True) for each in specials])
        if bos:
            tokenizer.post_processor = _starting(tokenizer, "<s>")
        return tokenizer

    return make


def unigram() -> Tokenizer:
    """The likeliest cut of a text, as T5's and XGLM's descendants have it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    specials = ["<unk>", "<s>", "</s>"]
    trainer = trainers.UnigramTrainer(vocab_size=vocabulary, special_tokens=specials, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def _learn_bytes(tokenizer: Tokenizer) -> None:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False))


@functools.cache
def _pieces() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Learned from text whose blanks are ▁, behind <unk>, <s>, </s> and the bytes."""
    teacher = Tokenizer(models.BPE())
    teacher.normalizer = normalizers.Replace(" ", "▁")
    teacher.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    teacher.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocabulary, show_progress=False))
    model = json.loads(teacher.to_str())["model"]
    first = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learned = sorted(model["vocab"], key=model["vocab"].get)
    return {piece: i for i, piece in enumerate([*first, *learned])}, [tuple(pair) for pair in model["merges"]]


def _starting(tokenizer: Tokenizer, bos: str) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )


llama3_specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
chatml_specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
smol_specials = chatml_specials
mistral_specials = ["[INST]", "[/INST]"]
gemma_specials = ["<start_of_turn>", "<end_of_turn>"]
phi_specials = ["<|endoftext|>", "<|assistant|>", "<|user|>", "<|system|>", "<|end|>"]
as_written = {"tokenizer_class": "PreTrainedTokenizerFast"}
"""transformers reads tokenizer.json and changes nothing. Classes of families would make it anew from its vocabulary."""
sentence = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}

kinds = [
    Kind(
        "llama-3",
        bytes_with(llama3, llama3_specials, bos="<|begin_of_text|>"),
        {**as_written, "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        llama3_specials,
    ),
    Kind(
        "qwen",
        bytes_with(qwen, chatml_specials, nfc=True),
        {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        chatml_specials,
    ),
    Kind(
        "smollm",
        gpt2_like,
        {**as_written, "bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>"},
        smol_specials,
    ),
    Kind(
        "mistral-tekken",
        bytes_with(tekken, ["<s>", "</s>", *mistral_specials], bos="<s>"),
        {**as_written, "bos_token": "<s>", "eos_token": "</s>"},
        ["<s>", "</s>", *mistral_specials],
    ),
    Kind(
        "llama-2",
        sentence_pieces([], prefix="prepend"),
        {**as_written, "add_bos_token": True, "add_eos_token": False, **sentence},
        ["<s>", "</s>", "<unk>", "<0x41>"],
    ),
    Kind(
        "mistral",
        sentence_pieces(mistral_specials, prefix="metaspace"),
        {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, **sentence},
        ["<s>", "</s>", *mistral_specials],
    ),
    Kind(
        "phi-3",
        sentence_pieces(phi_specials, prefix="prepend", rstrip=True, bos=False),
        {**as_written, "add_bos_token": False, "add_eos_token": False, **sentence},
        ["<s>", "</s>", *phi_specials],
    ),
    Kind(
        "gemma",
        sentence_pieces(gemma_specials, prefix="none"),
        {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "add_eos_token": False, **sentence},
        ["<s>", "</s>", *gemma_specials],
    ),
    Kind("unigram", unigram, {**as_written, **sentence}, ["<s>", "</s>", "<unk>"]),
]

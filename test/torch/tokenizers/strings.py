"""Seeded strings that tokenizers stumble over: many scripts, emoji, whitespace, control characters, special tokens."""

from __future__ import annotations

import random
import unicodedata

words = """the of and was river Mara don't we'll I'VE they'Re 'tis naïve café coöperate façade Übergröße straße İstanbul
ĳ ﬁne ½ x² Ⅳ № ™ été na\u0131ve e\u0301te\u0301 A\u030angstro\u0308m ΑΒΓ Σίσυφος ὀδυσσεύς Привет мир ёлка їжак سلام العربيّة
שָׁלוֹם नमस्ते क्षत्रिय বাংলা தமிழ் ไทยแลนด์ ភាសាខ្មែរ မြန်မာ አማርኛ ქართული հայերեն 日本語 漢字 ひらがな カタカナ ｶﾀｶﾅ 中文字符 한국어
\u1112\u1161\u11ab\u1100\u116e\u11a8 ᏣᎳᎩ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈𐌰 𠜎𠜱 ﷺ ﬀ Å Ω""".split()
numbers = "0 7 42 007 1234567 3.14 1,000,000 1e-9 0xFF ٣٤٥ १२३ ２０２４ ¾ ➀ 12:30 2024-07-26 192.168.0.1 100%".split()
marks = list("!?.,;:…'\"()[]{}<>|/\\@#$%^&*-_=+~`«»„“”‘’—–·•§¶†°¿¡、。「」！？") + ["...", "--", "!!!", "?!", "://", "</", "\\n"]
emoji = ["😀", "👩\u200d👩\u200d👧\u200d👦", "👍🏽", "🏳\ufe0f\u200d🌈", "🇩🇪", "❤\ufe0f", "☺", "✅", "🧑🏿\u200d🚀", "1\ufe0f⃣", "🫠", "🪿", "\ufe0f"]
blanks = [" ", " ", " ", "  ", "    ", "\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "\t\t ", "\u00a0", "\u3000", "\u2009", "\u2028", "\u2029",
          "\u0085", "\u200b", "\u200d", "\ufeff", "\u202f", "\u1680", "\u180e", "\x0b", "\f", "\u2581"]  # fmt: skip
controls = [chr(code) for code in range(0x20)] + ["\x7f", "\x80", "\x9f", "\u200e", "\u202e", "\u2066", "\ufffd", "\ufffe", "\U0010ffff"]
code = ["def f(x):\n    return x**2\n", "for (i = 0; i < n; ++i) {\n\ta[i] += 1;\n}", "<div class=\"a\">&nbsp;</div>", "x=>x?.y??0",
        "SELECT * FROM t WHERE a='b';", "\\frac{1}{2}", "camelCaseWord snake_case_word SCREAMING_CASE", "https://a.b/c?d=e&f#g"]  # fmt: skip


def strings(count: int, seed: int, specials: list[str]) -> list[str]:
    dice = random.Random(seed)
    return ["", " ", "  ", "a", " a", "a ", *(_string(dice, specials) for _ in range(count - 6))]


def _string(dice: random.Random, specials: list[str]) -> str:
    return "".join(_piece(dice, specials) for _ in range(dice.randint(1, 24)))


def _piece(dice: random.Random, specials: list[str]) -> str:
    kind = dice.random()
    if kind < 0.36:
        return dice.choice(["", " ", " "]) + _cased(dice, dice.choice(words))
    if kind < 0.46:
        return dice.choice(["", " "]) + dice.choice(numbers)
    if kind < 0.58:
        return dice.choice(marks)
    if kind < 0.64:
        return dice.choice(emoji)
    if kind < 0.80:
        return dice.choice(blanks) * dice.choice([1, 1, 1, 2, 5])
    if kind < 0.85:
        return dice.choice(controls)
    if kind < 0.90:
        return _special(dice, dice.choice(specials))
    if kind < 0.93:
        return dice.choice(code)
    if kind < 0.95:
        return dice.choice("aZ0 é漢") * dice.randint(2, 40)
    return "".join(_anything(dice) for _ in range(dice.randint(1, 4)))


def _cased(dice: random.Random, word: str) -> str:
    return dice.choice([word, word, word.upper(), word.capitalize()])


def _special(dice: random.Random, token: str) -> str:
    """Whole, cut, or with blanks around it."""
    return dice.choice([token, token, f" {token} ", f"\n{token}\n", token[:-1], token[1:], token.upper(), token + token])


def _anything(dice: random.Random) -> str:
    """
    Any code point that has a meaning, the first planes far more often. Not those that this Python does not know: what
    newer editions of Unicode added, one library knows and the next one does not.
    """
    while True:
        character = chr(dice.randrange(dice.choice([0x250, 0x800, 0x3000, 0xD800, 0x20000, 0x110000])))
        if unicodedata.category(character) not in ("Cn", "Cs"):
            return character

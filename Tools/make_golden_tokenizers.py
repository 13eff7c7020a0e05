#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Makes Tests/Fixtures/tokenizer-bytelevel: a small byte-level BPE tokenizer and what the reference does with it.

    pip install tokenizers==0.22.2
    python3 Tools/make_golden_tokenizers.py

(0.22 is what transformers 4 uses; 0.23 gives the same ids but decodes added tokens with `normalized` differently.)

tokenizer.json   trained on this repository's LICENSE and the sentences below; split as SmolLM2 (digits one by one, GPT-2)
golden.json      texts -> ids and decodes; random ids -> decodes (mostly ill-formed UTF-8)
variants.json    the same with parts of a tokenizer.json replaced: other splits, normalisers, decoders, flags of
                 added tokens; `base` is the fixture whose tokenizer.json is changed, `replace` maps top-level keys
                 (and "model.X") to new values
"""
import json
import pathlib
import random

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "Tests" / "Fixtures"
OUT = FIXTURES / "tokenizer-bytelevel"

SENTENCES = """The quick brown fox jumps over the lazy dog. I'm sure they'll say it's fine, but we've seen what you'd do.
User: What is in this image? Assistant: The image shows two kittens in the grass, and a red bicycle beside a tree.
In 2023 there were 1,234,567 people; 3.14 is about pi, and 0x1F600 is 128512. Call +44 20 7946 0958 before 10:30!
def main(argument: int = 0) -> None:\n    for index in range(10):\n        print(f"{index:>3}: {argument}")\n\n
Grüße aus München: Äpfel, Öl und Übermut. Ça va très bien, merci; où est la bibliothèque? El niño comió piñas.
Съешь ещё этих мягких французских булок, да выпей чаю. Η γρήγορη καφέ αλεπού πηδά πάνω από το σκυλί.
今天天气很好，我们去公园吧。東京は日本の首都です。カタカナとひらがな。안녕하세요, 세계!
مرحبا بالعالم، كيف حالك اليوم؟ שלום עולם. नमस्ते दुनिया, आप कैसे हैं? สวัสดีชาวโลก
😀 😃 👩‍👩‍👧 👍🏽 🇫🇷 ❤️ emoji all over the place 😀😀""".split("\n")

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", "\t", "\t\t x", "a", " a", "a ", "  a  b   c    ",
    "Hello, world!", "Hello  world", "the quick brown fox", "I'm you're we've they'll he'd can't it's",
    "I'M YOU'RE WE'VE THEY'LL HE'D CAN'T IT'S", "'s 'll '' 'a 'lt 're're", "don'tſ 'ſ ’s curly", "''''s",
    "1234567890", "a1b22c333 4444", " 1 22 333", "3.14e-10, 1,000,000", "½ ² ³ Ⅷ ① ٣٤ 四 𝟘𝟙", "x² + y₂ = ½",
    "line one\nline two\r\nline three\n\n\n  indented\n\t\ttabs", "trailing newline\n", "trailing spaces   ", "   \n   \n   x",
    " \u00a0 nbsp \u00a0", "\u3000全角\u3000", "zero\u200bwidth\u200d\u2060", "\u2028line sep\u2029",
    "你好，世界", "今天天气很好。", "東京カタカナひらがな", "안녕하세요 세계", "mixed 中文 and English混合text",
    "😀", "😀😃", "👩‍👩‍👧‍👦 family", "👍🏽 🇫🇷❤️", " 😀 ", "e\u0301 vs é", "Z̷̢a͟l̸g̕o", "नमस्ते दुनिया", "สวัสดี",
    "مرحبا بالعالم", "שָׁלוֹם עולם", "‮RTL override", "\u0000", "\u0000\u0001\u0002\u001b[31m", "\u007f\u0080\u009f", "\ufffd\ufffd",
    "\ufeffBOM", "\ufffe\uffff noncharacters \U0010ffff", "\U0001f1e6\U000e0041\U00020000\U0003134f", "ﬁ ligature ﬀ", "Ω≈ç√∫",
    "ĠĊ literal alphabet", "▁ literal ▁▁mark", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_start|", "x<|im_end|>y",
    " <|im_end|> ", "<|im_end|><|im_end|>", "<|endoftext|>", "<image>a<image>", "<fake_token_around_image><image><fake_token_around_image>",
    "snake_case camelCase ALLCAPS kebab-case", "def f(x):\n    return x ** 2  # comment\n", "https://example.org/a?b=c&d=%20e#f",
    "{\"key\": [1, 2.5, null, true]}", "!!!???...---", "((((a))))", " !", "  !", "a\n\nb", "a \n b", "a\r\rb", "…—–“”‘’", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "supercalifragilisticexpialidocious " * 3, "İıIi ǅ ß ẞ ΑΣ ΣΑΣ", "   leading\u2003em space", "word\u00adsoft", "\u0345\u0300start with marks",
]


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>"]
    trainer = trainers.BpeTrainer(
        vocab_size=1500, special_tokens=special[:3], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        min_frequency=1,
    )
    tokenizer.train_from_iterator([(ROOT / "LICENSE").read_text()] + SENTENCES * 3, trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special[3:]])
    return tokenizer


def results(tokenizer, texts, seed, sequences):
    rows = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        # Left out: what is the same as the field before it (decode: the text; with_special: ids).
        row = {"text": text, "ids": ids}
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        if decoded != text:
            row["decode"] = decoded
        skipped = tokenizer.decode(ids, skip_special_tokens=True)
        if skipped != decoded:
            row["decode_skip_special"] = skipped
        full = tokenizer.encode(text, add_special_tokens=True).ids
        if full != ids:
            row["with_special"] = full
        rows.append(row)
    generator = random.Random(seed)
    size = tokenizer.get_vocab_size()
    decodes = []
    for index in range(sequences):
        # Low ids are bytes in both fixtures: half of the sequences are mostly those.
        top = size if index % 2 else min(size, 300)
        ids = [generator.randrange(top) for _ in range(generator.randrange(1, 24))]
        decodes.append({"ids": ids, "decode": tokenizer.decode(ids, skip_special_tokens=False),
                        "decode_skip_special": tokenizer.decode(ids, skip_special_tokens=True)})
    return {"texts": rows, "decodes": decodes}


def added(content, token_id, **flags):
    token = {"id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return token | flags


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
PREPEND = {"type": "Prepend", "prepend": "▁"}
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
LLAMA_DECODERS = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
FLAGGED = ["a<L>b", "a  <L>  b", "a  <R>  b", "<R>  <L>", "x<W>y x <W> y <W>", "<W>é é<W> <W>\u0301 _<W> <W>.", "a <N> b", "A<n>b<N>",
           "<L><R><W><N>", "  <L>", "<R>  ", "<LL> <L> <LLL>", "\n<L>\n", "text <N>", "<N>text", "\u3000<L>\u3000<R>\u3000x", " <N><N> ", "▁<N>"]


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


def seq(kind, key, *parts):
    return {"type": "Sequence", key: list(parts)}


def variants():
    byte = "tokenizer-bytelevel"
    tiny = "processor/tokenizer-tiny"
    pre = lambda *parts: seq("pre", "pretokenizers", *parts)
    flags = lambda n: [
        added("<L>", n, lstrip=True), added("<R>", n + 1, rstrip=True), added("<W>", n + 2, single_word=True, special=False),
        added("<N>", n + 3, normalized=True, special=False), added("<LL>", n + 4), added("<LLL>", n + 5, lstrip=True, rstrip=True),
    ]
    byte_added = json.loads((OUT / "tokenizer.json").read_text())["added_tokens"]
    tiny_added = json.loads((FIXTURES / tiny / "tokenizer.json").read_text())["added_tokens"]
    template = {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "end", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}, "end": {"id": "end", "ids": [2, 0], "tokens": ["</s>", "<unk>"]}}}
    meta = lambda scheme, split: {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}
    yield "gpt2", byte, {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}}, TEXTS
    yield "gpt2 prefix space", byte, {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}}, TEXTS[::2]
    yield "smollm with prefix space", byte, {"pre_tokenizer": pre({"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True})}, TEXTS[::3]
    yield "llama3", byte, {"pre_tokenizer": pre(split(LLAMA3), BYTES), "model.ignore_merges": True,
                           "post_processor": seq("post", "processors", {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, template)}, TEXTS
    yield "qwen2", byte, {"pre_tokenizer": pre(split(LLAMA3.replace("{1,3}", "")), BYTES)}, TEXTS[::2]
    yield "gpt2 as Split, removed inverted", byte, {"pre_tokenizer": pre(split(GPT2, "Removed", True), BYTES)}, TEXTS[::3]
    yield "number split", byte, {"pre_tokenizer": pre(split(r"\p{N}"), BYTES)}, TEXTS[::3]
    yield "digits in runs", byte, {"pre_tokenizer": pre({"type": "Digits", "individual_digits": False}, BYTES)}, TEXTS[::3]
    yield "bytes unsplit", byte, {"pre_tokenizer": BYTES}, TEXTS[::4]
    yield "byte-level flags", byte, {"added_tokens": byte_added + flags(1502)}, FLAGGED
    yield "byte-level flags, lowercase", byte, {"added_tokens": byte_added + flags(1502), "normalizer": {"type": "Lowercase"}}, FLAGGED + TEXTS[::5]
    yield "llama", tiny, {}, TEXTS
    yield "llama flags", tiny, {"added_tokens": tiny_added + flags(503)}, FLAGGED
    yield "llama flags, normalized specials", tiny, {"added_tokens": [t | {"normalized": True} for t in tiny_added] + flags(503)}, FLAGGED + TEXTS[-40:]
    yield "llama no normaliser", tiny, {"normalizer": None}, TEXTS[::4]
    yield "llama lowercase", tiny, {"normalizer": seq("n", "normalizers", {"type": "Lowercase"}, PREPEND, SPACES)}, TEXTS[::3]
    yield "llama no byte fallback, fused unknowns", tiny, {"model.byte_fallback": False}, TEXTS[::2]
    yield "llama no byte fallback, single unknowns", tiny, {"model.byte_fallback": False, "model.fuse_unk": False}, TEXTS[::2]
    yield "llama nothing for unknowns", tiny, {"model.byte_fallback": False, "model.unk_token": None}, TEXTS[::3]
    yield "llama ignoring merges", tiny, {"model.ignore_merges": True}, TEXTS[::4]
    yield "llama template", tiny, {"post_processor": template}, TEXTS[:8]
    for scheme in ["always", "first", "never"]:
        for word in [True, False]:
            yield f"metaspace {scheme} {word}", tiny, {"normalizer": None, "pre_tokenizer": meta(scheme, word), "decoder": meta(scheme, word)}, TEXTS[::3] + ["a<image>b", "<image> b", " x<image>", "▁<image>▁"]
    yield "metaspace first, flags", tiny, {"normalizer": None, "pre_tokenizer": meta("first", False), "added_tokens": tiny_added + flags(503)}, FLAGGED
    yield "strip both ends", tiny, {"decoder": seq("d", "decoders", *LLAMA_DECODERS, {"type": "Strip", "content": " ", "start": 2, "stop": 0})}, TEXTS[::4]
    yield "no strip", tiny, {"decoder": seq("d", "decoders", *LLAMA_DECODERS)}, TEXTS[::4]
    yield "no decoder", tiny, {"decoder": None}, TEXTS[::4]
    yield "fuse only", tiny, {"decoder": {"type": "Fuse"}}, TEXTS[::4]
    yield "merges as pairs", byte, {"model.merges": "pairs"}, TEXTS[::4]


def replaced(base, replace):
    data = json.loads((FIXTURES / base / "tokenizer.json").read_text())
    for key, value in replace.items():
        if key == "model.merges":
            merges = data["model"]["merges"]
            data["model"]["merges"] = [m.split(" ") if isinstance(m, str) else m for m in merges]
        elif key.startswith("model."):
            data["model"][key[6:]] = value
        else:
            data[key] = value
    return json.dumps(data, ensure_ascii=False)


def write(name, value):
    (OUT / name).write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def main():
    OUT.mkdir(exist_ok=True)
    tokenizer = train()
    data = json.loads(tokenizer.to_str())
    data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]
    (OUT / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n")
    write("tokenizer_config.json", {
        "bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>", "pad_token": "<|im_end|>",
        "additional_special_tokens": ["<fake_token_around_image>", "<image>"], "model_max_length": 2048,
        "tokenizer_class": "GPT2Tokenizer", "clean_up_tokenization_spaces": False,
        "chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
    })
    write("golden.json", results(Tokenizer.from_file(str(OUT / "tokenizer.json")), TEXTS + FLAGGED[:4], 1, 60))
    rows = []
    for seed, (name, base, replace, texts) in enumerate(variants()):
        tokenizer = Tokenizer.from_str(replaced(base, replace))
        rows.append({"name": name, "base": base, "replace": replace} | results(tokenizer, texts, seed, 12))
    write("variants.json", rows)
    print(len(TEXTS), "texts,", len(rows), "variants,", sum(len(row["texts"]) for row in rows), "variant texts")


if __name__ == "__main__":
    main()

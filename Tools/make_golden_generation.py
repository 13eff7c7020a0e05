#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Goldens of decoding strategies: transformers' own generate() on a tiny language model made of two tables.

The logits after tokens ..., p, q are first[q] + second[p] (float32; p is 0 where there is no such token), so the model
fits into the JSON file and any implementation can replay it. Needs transformers 5.23.0 and torch (CPU).

    python3 Tools/make_golden_generation.py        # writes Tests/Fixtures/generation/*.json
"""
import itertools
import json
import pathlib
import random
import warnings

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models
from transformers import GenerationConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.generation import GenerationMixin, logits_process as lp
from transformers.modeling_outputs import CausalLMOutput

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
OUT = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "generation"
V = 24
PIECES = ["<unk>", "<s>", "</s>", "a", "b", "c", "d", "e", "f", "st", "op", "sto", "pper", "s", "to", "pped", "las",
          "topper", "opera", "at", "é", " ", "stop", "p"]
PROMPTS = [[1, 5, 9], [1, 4, 4, 17, 9, 3], [13]]


def short(value):
    """Floats in as few digits as give the same float32 again."""
    if isinstance(value, dict):
        return {k: short(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [short(v) for v in value]
    return float(np.format_float_scientific(np.float32(value), unique=True)) if isinstance(value, float) else value


def tables(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0, 1.4, (V, V)), rng.normal(0, 1.1, (V, V))
    first[:, [2, 7, 11]] += 0.9  # ends of sequence shall be common
    return [np.round(t, 6).astype(np.float32) for t in (first, second)]


class TableConfig(PretrainedConfig):
    model_type = "table"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = V


class TableModel(PreTrainedModel, GenerationMixin):
    config_class = TableConfig

    def __init__(self, config, first, second):
        super().__init__(config)
        self.first, self.second = torch.nn.Parameter(first), torch.nn.Parameter(second)
        self.post_init()

    def _init_weights(self, module):
        pass

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {"input_ids": input_ids}

    def forward(self, input_ids, **kwargs):
        before = torch.cat([torch.zeros_like(input_ids[:, :1]), input_ids[:, :-1]], 1)
        return CausalLMOutput(logits=self.first[input_ids] + self.second[before])


def tokenizer():
    backend = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(PIECES)}, merges=[], unk_token="<unk>"))
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def generate(model, tok, prompt, options):
    cfg = GenerationConfig(bos_token_id=1, pad_token_id=23, use_cache=False, return_dict_in_generate=True, output_scores=True, **options)
    out = model.generate(torch.tensor([prompt]), generation_config=cfg, tokenizer=tok if "stop_strings" in options else None)
    rows = [r[len(prompt):] for r in out.sequences.tolist()]
    scores = getattr(out, "sequences_scores", None)
    return {"rows": rows, "scores": None if scores is None else scores.tolist()}


CONSTRAINTS = [
    {}, {}, {"no_repeat_ngram_size": 1}, {"no_repeat_ngram_size": 2}, {"no_repeat_ngram_size": 3}, {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.8}, {"bad_words_ids": [[5], [9, 4], [3, 3], [1, 4, 4], [2]]}, {"min_new_tokens": 4}, {"min_length": 6},
    {"min_new_tokens": 3, "min_length": 20}, {"repetition_penalty": 1.2, "no_repeat_ngram_size": 2, "bad_words_ids": [[12], [8, 8]], "min_new_tokens": 2},
]


def decoding_cases():
    rng = random.Random(5)
    eos = [2, [2, 7], [2, 7, 11]]
    beams = list(itertools.product([2, 3, 4, 5], [0.6, 1.0, 1.5, -1.0, 0.0], [False, True, "never"], eos, CONSTRAINTS[1:]))
    rng.shuffle(beams)
    for n, penalty, early, e, extra in beams[:420]:
        yield dict(num_beams=n, length_penalty=penalty, early_stopping=early, eos_token_id=e,
                   num_return_sequences=rng.choice([1, n]), max_new_tokens=rng.choice([1, 2, 5, 8, 12]), **extra)
    for e, extra in itertools.product(eos, CONSTRAINTS[1:]):
        yield dict(eos_token_id=e, max_new_tokens=rng.choice([1, 6, 16]), **extra)
    yield dict(max_new_tokens=6)  # no end of sequence at all
    yield dict(max_new_tokens=5, num_beams=3, num_return_sequences=3)
    yield dict(eos_token_id=2)  # default length: 20 new tokens
    yield dict(eos_token_id=2, max_length=9)
    yield dict(eos_token_id=2, max_length=11, num_beams=3, early_stopping="never")
    for stop in (["stop"], ["sto"], ["asto", "ppp"], ["a", "é s"], ["</s>"], ["at"]):
        yield dict(eos_token_id=2, max_new_tokens=14, min_new_tokens=14, stop_strings=stop)
        for early in (False, True):
            yield dict(eos_token_id=2, max_new_tokens=10, num_beams=3, num_return_sequences=3, early_stopping=early, stop_strings=stop)


def scores_out(row):
    return [None if x == float("-inf") else x for x in row.tolist()]


def processor_cases():
    rng = np.random.default_rng(11)
    rows = [np.round(rng.normal(0, s, 40), 4).astype(np.float32) for s in (0.3, 1.0, 2.0, 4.0)]
    ties = np.round(rng.normal(0, 1.5, 40) * 2).astype(np.float32) / 2  # many equal scores
    rows += [ties, np.zeros(40, np.float32), np.where(np.arange(40) % 3 == 0, rows[1], -np.inf).astype(np.float32)]
    peak = np.full(40, -9, np.float32)
    peak[17] = 6
    rows.append(peak)
    ids = [3, 9, 3, 39, 9, 3, 12, 9, 3]
    eos = torch.tensor([2, 7])
    jobs = []
    for keep in (1, 2, 4):
        jobs += [("top_k", {"top_k": k, "min_tokens_to_keep": keep}, lp.TopKLogitsWarper(k, min_tokens_to_keep=keep)) for k in (1, 3, 10, 39, 40, 100)]
        jobs += [("top_p", {"top_p": p, "min_tokens_to_keep": keep}, lp.TopPLogitsWarper(p, min_tokens_to_keep=keep)) for p in (0.05, 0.3, 0.8, 0.95, 0.999)]
        jobs += [("min_p", {"min_p": p, "min_tokens_to_keep": keep}, lp.MinPLogitsWarper(p, min_tokens_to_keep=keep)) for p in (0.0, 0.05, 0.3, 0.99)]
        jobs += [("typical_p", {"typical_p": p, "min_tokens_to_keep": keep}, lp.TypicalLogitsWarper(p, min_tokens_to_keep=keep)) for p in (0.1, 0.5, 0.9, 0.99)]
    jobs += [("temperature", {"temperature": t}, lp.TemperatureLogitsWarper(t)) for t in (0.1, 0.7, 1.9)]
    jobs += [("repetition_penalty", {"repetition_penalty": p}, lp.RepetitionPenaltyLogitsProcessor(p)) for p in (0.5, 1.3, 2.0)]
    jobs += [("no_repeat_ngram_size", {"no_repeat_ngram_size": n}, lp.NoRepeatNGramLogitsProcessor(n)) for n in (1, 2, 3, 4, 9, 10)]
    bad = [[4], [2], [9, 3, 5], [3, 6], [1, 3, 8], [9, 3, 9, 3]]
    jobs += [("bad_words_ids", {"bad_words_ids": bad, "eos_token_id": [2, 7]}, lp.NoBadWordsLogitsProcessor(bad, eos))]
    jobs += [("min_length", {"min_length": n, "eos_token_id": [2, 7]}, lp.MinLengthLogitsProcessor(n, eos)) for n in (9, 10)]
    jobs += [("min_new_tokens", {"min_new_tokens": n, "eos_token_id": [2, 7]}, lp.MinNewTokensLengthLogitsProcessor(4, n, eos)) for n in (5, 6)]
    # Whole chains as generate() builds them.
    model = TableModel(TableConfig(), *map(torch.tensor, tables(1)))
    chains = [dict(do_sample=True, temperature=0.7, top_k=12, top_p=0.9, repetition_penalty=1.3),
              dict(do_sample=True, top_k=0, top_p=0.7, min_p=0.02), dict(do_sample=True, top_k=0, typical_p=0.8, temperature=1.5),
              dict(do_sample=True, num_beams=3, top_k=1, eos_token_id=[2, 7]), dict(do_sample=True, num_beams=3, top_k=20, top_p=0.11),
              dict(do_sample=False, temperature=0.5, top_k=3, min_new_tokens=3, eos_token_id=[2, 7], bad_words_ids=bad),
              dict(do_sample=True, top_k=9, min_p=0.1, typical_p=0.6, no_repeat_ngram_size=2, eos_token_id=2, min_length=30)]
    for chain in chains:
        full = dict(repetition_penalty=1.0, no_repeat_ngram_size=0, num_beams=1, temperature=1.0, top_p=1.0, typical_p=1.0) | chain
        cfg = GenerationConfig(**full)
        model._prepare_special_tokens(cfg, device="cpu")
        jobs.append(("chain", chain, model._get_logits_processor(cfg, input_ids_seq_length=4, device="cpu")))
    cases = []
    for kind, params, proc in jobs:
        results = []
        for row in rows:
            got = proc(torch.tensor([ids]), torch.tensor(row)[None].clone())[0]
            if kind in ("temperature", "repetition_penalty", "chain"):
                results.append(scores_out(got))
            else:  # these only exclude: the indices that stay
                kept = torch.isfinite(got)
                assert torch.equal(got[kept], torch.tensor(row)[kept])
                results.append(kept.nonzero().flatten().tolist())
        cases.append({"kind": kind, "options": params, "results": results})
    return {"token_ids": ids, "prompt_length": 4, "rows": [scores_out(torch.tensor(r)) for r in rows], "cases": cases}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    first, second = tables(1)
    model, tok = TableModel(TableConfig(), torch.tensor(first), torch.tensor(second)).eval(), tokenizer()
    cases = []
    for options in decoding_cases():
        results = [generate(model, tok, p, options) if options.get("max_length", 99) > len(p) else None for p in PROMPTS]
        cases.append({"options": options, "results": results})
    data = {"versions": versions, "pieces": PIECES, "first": first.tolist(), "second": second.tolist(), "prompts": PROMPTS, "cases": cases}
    for name, value in (("decoding", data), ("processors", {"versions": versions, **processor_cases()})):
        text = json.dumps(short(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        (OUT / f"{name}.json").write_text(text + "\n")
        print(name, len(value["cases"]), "cases,", len(text), "bytes")


if __name__ == "__main__":
    main()

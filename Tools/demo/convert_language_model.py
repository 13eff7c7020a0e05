#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Converts a Llama-architecture GGUF file with a byte-level tokenizer (SmolLM2) to a Hugging Face directory.

    convert_language_model.py FILE.gguf DIRECTORY

Weights are dequantised to f32 exactly as they are defined, so that any program computes with the same numbers.
"""
from __future__ import annotations

import pathlib
import sys
from typing import Any, Dict, List

import numpy as np

from checked_bytes import FormatError
from gguf_file import GGUFFile
from model_folder import ModelFolder, TensorPlan

CONTROL = 3  # tokenizer.ggml.token_type of tokens that are never made from text


class LlamaConverter:
    """What config.json, the tokenizer and the tensors take from one GGUF file."""

    def __init__(self, gguf: GGUFFile) -> None:
        self.gguf = gguf
        self.expect("general.architecture", "llama")
        self.expect("tokenizer.ggml.model", "gpt2")
        # llama.cpp's name of a way to cut text into words before merging; tokenizer_json() builds just this one.
        self.expect("tokenizer.ggml.pre", "smollm")
        self.layers = self.size("llama.block_count")
        self.hidden = self.size("llama.embedding_length")
        self.intermediate = self.size("llama.feed_forward_length")
        self.heads = self.size("llama.attention.head_count")
        self.kv_heads = self.size("llama.attention.head_count_kv")
        self.head_dim = self.size("llama.rope.dimension_count")
        if self.head_dim % 2 or self.heads * self.head_dim != self.hidden or self.heads % self.kv_heads:
            raise gguf.file.fail("llama.attention", "heads do not share out the hidden size evenly")
        self.tokens = self.strings("tokenizer.ggml.tokens")
        self.bos, self.eos, self.pad, self.unknown = (
            self.token_id(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "padding", "unknown")
        )

    # What the file says, checked.

    def expect(self, key: str, value: str) -> None:
        """Raises unless the metadata entry `key` is `value`."""
        found = self.gguf.value(key, str)
        if found != value:
            raise self.gguf.file.fail(key, f"{found!r}, expected {value!r}")

    def size(self, key: str) -> int:
        """A metadata entry that is a size."""
        found = self.gguf.value(key, int)
        if not 0 < found < 1 << 20:
            raise self.gguf.file.fail(key, f"{found} is no sensible size")
        return found

    def strings(self, key: str) -> List[str]:
        """A metadata entry that is a list of strings."""
        found = self.gguf.value(key, list)
        if not found or not all(isinstance(element, str) for element in found):
            raise self.gguf.file.fail(key, "is no list of strings")
        return found

    def token_id(self, key: str) -> int:
        """A metadata entry that is the id of a token."""
        found = self.gguf.value(key, int)
        if not 0 <= found < len(self.tokens):
            raise self.gguf.file.fail(key, f"{found} is not below the vocabulary's {len(self.tokens)}")
        return found

    # Configuration.

    def config(self) -> Dict[str, Any]:
        """config.json of LlamaForCausalLM."""
        # The file stores 1e-5 as f32; the shortest decimal that rounds to it is what the model's authors wrote.
        eps = float(str(np.float32(self.gguf.value("llama.attention.layer_norm_rms_epsilon", float))))
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": self.bos,
            "eos_token_id": self.eos,
            "pad_token_id": self.pad,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden,
            "initializer_range": 0.041666666666666664,
            "intermediate_size": self.intermediate,
            "max_position_embeddings": self.size("llama.context_length"),
            "mlp_bias": False,
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "rms_norm_eps": eps,
            "rope_scaling": None,
            "rope_theta": self.gguf.value("llama.rope.freq_base", float),
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            "use_cache": True,
            "vocab_size": len(self.tokens),
        }

    def generation_config(self) -> Dict[str, Any]:
        """generation_config.json."""
        return {"bos_token_id": self.bos, "eos_token_id": self.eos, "pad_token_id": self.pad}

    # Tokenizer.

    def tokenizer_json(self) -> Dict[str, Any]:
        """tokenizer.json: byte-level BPE after GPT-2, with digits one by one."""
        types = self.gguf.value("tokenizer.ggml.token_type", list)
        if len(types) != len(self.tokens) or len(set(self.tokens)) != len(self.tokens):
            raise self.gguf.file.fail("tokenizer.ggml.token_type", "does not belong to a list of different tokens")
        vocabulary = {token: index for index, token in enumerate(self.tokens)}
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                self.added_token(index, self.tokens[index]) for index, type in enumerate(types) if type == CONTROL
            ],
            "normalizer": None,
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level(add_prefix_space=False)],
            },
            "post_processor": None,
            "decoder": byte_level(add_prefix_space=True),
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": vocabulary,
                "merges": self.merges(vocabulary),
            },
        }

    def merges(self, vocabulary: Dict[str, int]) -> List[str]:
        """The merges, each two tokens whose concatenation is a token."""
        merges = self.strings("tokenizer.ggml.merges")
        for index, merge in enumerate(merges):
            left, _, right = merge.partition(" ")
            if not (left in vocabulary and right in vocabulary and left + right in vocabulary):
                raise self.gguf.file.fail("tokenizer.ggml.merges", f"entry {index}, {merge!r}, does not make a token")
        return merges

    def added_token(self, index: int, content: str) -> Dict[str, Any]:
        """An entry of tokenizer.json's added_tokens: found in text as it stands, not shown when decoded."""
        return {
            "id": index,
            "content": content,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }

    def special_tokens(self) -> Dict[str, str]:
        """The names of the four special tokens."""
        ids = {"bos_token": self.bos, "eos_token": self.eos, "pad_token": self.pad, "unk_token": self.unknown}
        return {name: self.tokens[index] for name, index in ids.items()}

    def tokenizer_config(self) -> Dict[str, Any]:
        """tokenizer_config.json, with the chat template."""
        return {
            "tokenizer_class": "GPT2Tokenizer",
            "add_bos_token": False,
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": self.size("llama.context_length"),
            **self.special_tokens(),
            "chat_template": self.gguf.value("tokenizer.chat_template", str),
        }

    # Tensors.

    def tensors(self) -> TensorPlan:
        """Every tensor under its name in transformers; the output head is tied to the embeddings and not stored."""
        hidden, inner, head = self.hidden, self.intermediate, self.head_dim
        plan: TensorPlan = {}

        def add(name: str, source: str, *shape: int, rotated_heads: int = 0) -> None:
            def make() -> np.ndarray:
                tensor = self.gguf.tensor(source + ".weight", shape)
                return half_split_rotation(tensor, rotated_heads) if rotated_heads else tensor

            plan[name + ".weight"] = (shape, make)

        add("model.embed_tokens", "token_embd", len(self.tokens), hidden)
        for index in range(self.layers):
            layer, block = f"model.layers.{index}", f"blk.{index}"
            add(f"{layer}.input_layernorm", f"{block}.attn_norm", hidden)
            add(f"{layer}.self_attn.q_proj", f"{block}.attn_q", self.heads * head, hidden, rotated_heads=self.heads)
            add(f"{layer}.self_attn.k_proj", f"{block}.attn_k", self.kv_heads * head, hidden, rotated_heads=self.kv_heads)
            add(f"{layer}.self_attn.v_proj", f"{block}.attn_v", self.kv_heads * head, hidden)
            add(f"{layer}.self_attn.o_proj", f"{block}.attn_output", hidden, self.heads * head)
            add(f"{layer}.post_attention_layernorm", f"{block}.ffn_norm", hidden)
            add(f"{layer}.mlp.gate_proj", f"{block}.ffn_gate", inner, hidden)
            add(f"{layer}.mlp.up_proj", f"{block}.ffn_up", inner, hidden)
            add(f"{layer}.mlp.down_proj", f"{block}.ffn_down", hidden, inner)
        add("model.norm", "output_norm", hidden)
        if len(self.gguf.tensors) != len(plan):
            raise self.gguf.file.fail("tensors", f"{len(self.gguf.tensors)}, expected {len(plan)}")
        return plan

    def write(self, path: pathlib.Path) -> None:
        """Writes the directory."""
        with ModelFolder(path) as folder:
            folder.write_json("config.json", self.config())
            folder.write_json("generation_config.json", self.generation_config())
            folder.write_json("tokenizer.json", self.tokenizer_json())
            folder.write_json("tokenizer_config.json", self.tokenizer_config())
            folder.write_json("special_tokens_map.json", self.special_tokens())
            folder.write_tensors(self.tensors())


def half_split_rotation(tensor: np.ndarray, heads: int) -> np.ndarray:
    """The rows of a query or key projection in transformers' order.

    llama.cpp rotates neighbouring rows of a head, transformers rows half a head apart; the same pairs, stored apart.
    """
    rows, columns = tensor.shape
    pairs = tensor.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def byte_level(add_prefix_space: bool) -> Dict[str, Any]:
    """The byte-level pre-tokenizer or decoder of tokenizer.json."""
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": True}


def main() -> None:
    """Converts the file named on the command line."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = (pathlib.Path(argument) for argument in sys.argv[1:])
    print(f"language model: {source.name} -> {target}")
    try:
        LlamaConverter(GGUFFile(source)).write(target)
    except (FormatError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

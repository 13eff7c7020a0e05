# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""GGUF files of the shape of Llama-7B with random weights: for speed they are as good as trained ones.

Types of the matrices are those `llama-quantize` chooses: with Q4_0 and Q4_K_M the head is Q6_K, with Q4_K_M so are half of
the value and down projections.
"""

from __future__ import annotations

from pathlib import Path

HIDDEN, INTERMEDIATE, HEADS, VOCABULARY = 4096, 11_008, 32, 32_000
TYPES = ["Q4_0", "Q4_K_M", "Q8_0", "BF16"]


def write(path: Path, kind: str, layers: int) -> None:
    """Writes the file `path` with `layers` layers of the type `kind`, one of TYPES."""
    import gguf
    import numpy as np

    random = np.random.default_rng(0)
    noise = random.integers(0, 256, size=64 << 20, dtype=np.uint8)

    def halves(count: int, value: float) -> np.ndarray:
        return np.full((count, 1), value, dtype=np.float16).view(np.uint8).reshape(count, 2)

    def matrix(rows: int, columns: int, name: str) -> tuple[np.ndarray, gguf.GGMLQuantizationType]:
        dtype = gguf.GGMLQuantizationType[name]
        if name == "BF16":
            values = (random.random(1 << 20, dtype=np.float32) - 0.5) * 0.05
            words = (values.view(np.uint32) >> 16).astype(np.uint16)
            return np.resize(words, (rows, columns)).view(np.uint8), dtype
        block, size = gguf.GGML_QUANT_SIZES[dtype]
        count = rows * columns // block
        data = np.resize(noise, (count, size))
        # Scales are the only bytes of a block that are not free; they are at these places.
        small = halves(count, 0.002)
        if name in ("Q4_0", "Q8_0"):
            data[:, :2] = small
        elif name == "Q4_K":
            data[:, :2], data[:, 2:4] = halves(count, 1e-4), halves(count, 1e-4)
        elif name == "Q6_K":
            data[:, -2:] = halves(count, 1e-5)
        else:
            raise ValueError(name)
        return data.reshape(rows, columns // block * size), dtype

    # llama-quantize: every third layer between the first and the last eighth, and those eighths.
    def has_more_bits(layer: int) -> bool:
        return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2

    base = {"Q4_K_M": "Q4_K"}.get(kind, kind)
    head = "Q6_K" if kind in ("Q4_0", "Q4_K_M") else base
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_vocab_size(VOCABULARY)
    writer.add_context_length(2048)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10_000)
    writer.add_tokenizer_model("no_vocab")

    def add(name: str, rows: int, columns: int, dtype: str) -> None:
        data, raw = matrix(rows, columns, dtype)
        writer.add_tensor(f"{name}.weight", data, raw_dtype=raw)

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(HIDDEN, dtype=np.float32))

    add("token_embd", VOCABULARY, HIDDEN, base)
    for layer in range(layers):
        better = "Q6_K" if kind == "Q4_K_M" and has_more_bits(layer) else base
        block = f"blk.{layer}"
        norm(f"{block}.attn_norm")
        add(f"{block}.attn_q", HIDDEN, HIDDEN, base)
        add(f"{block}.attn_k", HIDDEN, HIDDEN, base)
        add(f"{block}.attn_v", HIDDEN, HIDDEN, better)
        add(f"{block}.attn_output", HIDDEN, HIDDEN, base)
        norm(f"{block}.ffn_norm")
        add(f"{block}.ffn_gate", INTERMEDIATE, HIDDEN, base)
        add(f"{block}.ffn_up", INTERMEDIATE, HIDDEN, base)
        add(f"{block}.ffn_down", HIDDEN, INTERMEDIATE, better)
    norm("output_norm")
    add("output", VOCABULARY, HIDDEN, head)
    partial = path.with_suffix(".partial")
    writer.write_header_to_file(partial)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.rename(path)

# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Matrices as bitsandbytes' NF4 stores them, with the values it reads back: Tests/Fixtures/bitsandbytes.

    python Tools/make_golden_bitsandbytes.py Tests/Fixtures/bitsandbytes

Made with bitsandbytes 0.50.2, torch 2.13.0+cpu.
"""
import sys
from pathlib import Path

import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from safetensors.torch import save_file

# The second has rows that are no multiple of the 64 elements that share a scale.
SHAPES = [(48, 128), (30, 72)]


def main(output: str) -> None:
    Path(output).mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(5)
    for is_nested in (False, True):
        tensors = {}
        for index, shape in enumerate(SHAPES):
            weight = torch.randn(shape, generator=generator) * 0.05
            codes, state = quantize_4bit(weight, blocksize=64, compress_statistics=is_nested, quant_type="nf4")
            tensors[f"layer{index}.weight"] = codes
            for name, value in state.as_dict(packed=True).items():
                tensors[f"layer{index}.weight.{name}"] = value
            tensors[f"layer{index}.source"] = weight
            tensors[f"layer{index}.expected"] = dequantize_4bit(codes, state).float()
        save_file({k: v.contiguous() for k, v in tensors.items()}, Path(output) / f"nf4{'-double' if is_nested else ''}.safetensors")
        print({k: (tuple(v.shape), v.dtype) for k, v in tensors.items() if k.startswith("layer0")})


if __name__ == "__main__":
    main(sys.argv[1])

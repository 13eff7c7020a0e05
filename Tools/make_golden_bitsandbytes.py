# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Matrices as bitsandbytes' NF4 stores them, with the values it reads back, its tables of 8-bit codes and steps of its
8-bit AdamW: Tests/Fixtures/bitsandbytes.

    python Tools/make_golden_bitsandbytes.py Tests/Fixtures/bitsandbytes

Made with bitsandbytes 0.50.2, torch 2.13.0+cpu.
"""
import sys
from pathlib import Path

import torch
from bitsandbytes.backends.cpu import ops as cpu
from bitsandbytes.functional import create_dynamic_map, dequantize_4bit, quantize_4bit
from bitsandbytes.optim import AdamW8bit
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

    dynamic(output)


def dynamic(output: str) -> None:
    """Tables, a quantised tensor, and the optimiser's parameters and state after each of its steps.

    On CPU bitsandbytes looks codes of f32 up in a coarse table, which is far off for small numbers; its CUDA kernels and
    its own fallback for other types take the nearest. So does this.
    """
    def nearest(x: torch.Tensor, code: torch.Tensor, absmax: torch.Tensor, out: torch.Tensor, blocksize: int) -> None:
        codes, scales = torch.ops.bitsandbytes.quantize_blockwise(x.double(), code, blocksize)
        out.copy_(codes)
        absmax.copy_(scales)

    cpu._quant_blockwise_fp32_direct = nearest
    generator = torch.Generator().manual_seed(6)
    source = torch.randn(3000, generator=generator) * 10 ** (-6 * torch.rand(3000, generator=generator))
    tensors = {"source": source}
    for name, is_signed in (("signed", True), ("unsigned", False)):
        tensors[f"{name}.table"] = create_dynamic_map(signed=is_signed)
        codes, scales = torch.empty(3000, dtype=torch.uint8), torch.empty(12)
        nearest(source if is_signed else source.abs(), tensors[f"{name}.table"], scales, codes, 256)
        tensors[f"{name}.codes"], tensors[f"{name}.scales"] = codes, scales
    parameter = torch.nn.Parameter(torch.randn(65, 80, generator=generator))
    tensors["adamw.parameter"] = parameter.detach().clone()
    optimizer = AdamW8bit([parameter], lr=1e-2, weight_decay=0.1)
    for step in range(4):
        parameter.grad = torch.randn(parameter.shape, generator=generator)
        tensors[f"adamw.gradient{step}"] = parameter.grad.clone()
        optimizer.step()
        state = optimizer.state[parameter]
        tensors[f"adamw.parameter{step}"] = parameter.detach().clone()
        for ours, theirs in (("first", "state1"), ("second", "state2"), ("first_scales", "absmax1"), ("second_scales", "absmax2")):
            tensors[f"adamw.{ours}{step}"] = state[theirs].clone()
    save_file({k: v.contiguous() for k, v in tensors.items()}, Path(output) / "dynamic.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])

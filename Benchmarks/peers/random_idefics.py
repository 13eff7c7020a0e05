# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""IDEFICS-9B of some layers in transformers, with random weights and open gates, as `idefics bench` has it."""

from __future__ import annotations


def random_idefics(layers: int, dtype: str = "float32") -> object:
    """An IdeficsForVisionText2Text with the whole vision tower and resampler and `layers` decoder layers."""
    import torch
    from transformers import IdeficsConfig, IdeficsForVisionText2Text
    from transformers.initialization import no_init_weights

    config = IdeficsConfig(
        vocab_size=32_000, additional_vocab_size=2, hidden_size=4096, intermediate_size=11_008,
        num_hidden_layers=layers, num_attention_heads=32, cross_layer_interval=4, qk_layer_norms=True,
        use_resampler=True,
        vision_config={"embed_dim": 1280, "image_size": 224, "patch_size": 14, "intermediate_size": 5120,
                       "num_hidden_layers": 32, "num_attention_heads": 16, "hidden_act": "gelu"},
        perceiver_config={"resampler_n_latents": 64, "resampler_depth": 6, "resampler_n_heads": 16,
                          "resampler_head_dim": 96, "qk_layer_norms_perceiver": True},
    )  # fmt: skip
    default = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    with no_init_weights():
        model = IdeficsForVisionText2Text(config)
    torch.set_default_dtype(default)
    noise = (torch.rand(1 << 20) - 0.5) * 0.05
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.fill_(1)
            elif "alpha_" in name:
                parameter.fill_(0.5)
            else:
                flat = parameter.view(-1)
                for start in range(0, flat.numel(), noise.numel()):
                    part = flat[start : start + noise.numel()]
                    part.copy_(noise[: part.numel()])
    return model

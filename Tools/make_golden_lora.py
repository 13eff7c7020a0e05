# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""LoRA adapters made by peft on the fixture f1, with what transformers computes with them: Tests/Fixtures/lora.

    python Tools/make_golden_lora.py Tests/Fixtures/f1-resampler-qk Tests/Fixtures/lora

And the other way, an adapter of this package in peft (INPUTS as `idefics process` writes them, LOGITS of `idefics forward`):

    python Tools/make_golden_lora.py --check INPUTS LOGITS MODEL ADAPTER

Made with peft 0.21.2, transformers 5.23.0, torch 2.13.0+cpu, in f32 with eager attention.
"""
import argparse
import os
import shutil
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import IdeficsForVisionText2Text

ADAPTERS = {
    # The community's QLoRA recipe, small.
    "qkv": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj"], lora_dropout=0.05),
    # What else decides the numbers: patterns, sqrt(r), layers behind activations and gates, modules trained in full.
    "patterns": dict(
        r=3,
        lora_alpha=6,
        use_rslora=True,
        target_modules=["q_proj", "o_proj", "down_proj", "gate_proj", "fc1", "fc2", "out_proj"],
        exclude_modules=["layers.0.self_attn.o_proj"],
        rank_pattern={"down_proj": 5, "model.layers.1.self_attn.q_proj": 2},
        alpha_pattern={"down_proj": 3, "^model.layers.2.self_attn.q_proj": 12},
        modules_to_save=["perceiver_resampler", "gated_cross_attn_layers.1", "lm_head.additional_fc"],
    ),
    # Every linear layer PEFT finds, the added tokens' part of the head among them.
    "all": dict(r=1, lora_alpha=2, target_modules="all-linear"),
}


class Malicious:
    """Runs a program when it is unpickled by something that runs what a pickle names."""

    def __reduce__(self):
        return os.system, ("true",)


def bins(output: Path) -> None:
    """The adapter `qkv` as PEFT stored it in 2023, and a file that would run a program."""
    for name in ("bin", "malicious"):
        directory = output / name
        directory.mkdir(exist_ok=True)
        shutil.copy(output / "qkv" / "adapter_config.json", directory)
        tensors = load_file(output / "qkv" / "adapter_model.safetensors")
        if name == "malicious":
            tensors["base_model.model.x"] = Malicious()
        torch.save(tensors, directory / "adapter_model.bin")


def base(directory: str) -> IdeficsForVisionText2Text:
    return IdeficsForVisionText2Text.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()


def inputs(case: dict) -> dict:
    return {name.removeprefix("in."): value for name, value in case.items() if name.startswith("in.") and name != "in.labels"}


def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Over all columns, shifted, mean over labels other than -100."""
    flat = logits[:, :-1].reshape(-1, logits.shape[-1]).float()
    return torch.nn.functional.cross_entropy(flat, labels[:, 1:].reshape(-1), ignore_index=-100)


def fill(model: torch.nn.Module) -> None:
    """Gives B values, and changes what is saved in full: otherwise the adapter would do nothing."""
    generator = torch.Generator().manual_seed(11)
    for name, parameter in sorted(model.named_parameters()):
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
        elif "modules_to_save" in name:
            parameter.data = parameter.data + torch.randn(parameter.shape, generator=generator) * 0.02


def make(directory: str, output: Path) -> None:
    golden = Path(directory) / "golden"
    cases = {name: load_file(golden / f"{name}.safetensors") for name in ("single2", "train")}
    for name, options in ADAPTERS.items():
        torch.manual_seed(3)
        model = get_peft_model(base(directory), LoraConfig(**options))
        fill(model)
        model.eval()
        results = {}
        with torch.no_grad():
            results["single2.logits"] = model(**inputs(cases["single2"]), use_cache=False).logits
        # eval() keeps dropout out of the gradients.
        value = loss(model(**inputs(cases["train"]), use_cache=False).logits, cases["train"]["in.labels"])
        value.backward()
        results["train.loss"] = value.detach().reshape(1)
        for key, parameter in model.named_parameters():
            if parameter.grad is not None:
                key = key.replace(".modules_to_save.default.", ".").replace(".default.", ".")
                results[f"grad.{key}"] = parameter.grad
        place = output / name
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            place.mkdir(parents=True, exist_ok=True)
            for file in ("adapter_config.json", "adapter_model.safetensors"):
                shutil.copyfile(Path(folder) / file, place / file)
        # The path of this run means nothing to others.
        config = place / "adapter_config.json"
        config.write_text(config.read_text().replace(directory, "f1-resampler-qk") + "\n")
        save_file({k: v.contiguous() for k, v in results.items()}, place / "golden.safetensors")
        print(name, len(load_file(place / "adapter_model.safetensors")), "tensors,", len(results), "results, loss", value.item())
    bins(output)


def check(directory: str, adapter: str, case: str, ours: str) -> None:
    """Compares logits that this package computed with an adapter with those of peft."""
    values = inputs({f"in.{name}": value for name, value in load_file(case).items()})
    results = []
    for model in (base(directory), PeftModel.from_pretrained(base(directory), adapter).eval()):
        with torch.no_grad():
            results.append(model(**values, use_cache=False).logits)
    # Rows of padding are implementation-defined.
    real = values["attention_mask"].bool() if "attention_mask" in values else torch.ones_like(values["input_ids"]).bool()
    plain, adapted, found = (logits[real] for logits in (*results, load_file(ours)["logits"]))
    print("from peft:", (found - adapted).abs().max().item(), "from the model without adapter:", (found - plain).abs().max().item())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", nargs=2, metavar=("INPUTS", "LOGITS"))
    parser.add_argument("model")
    parser.add_argument("adapter")
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.model, arguments.adapter, *arguments.check)
    else:
        make(arguments.model, Path(arguments.adapter))

#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Makes Tests/Fixtures/demo: what transformers and ONNX Runtime compute with the parts of the demo model.

    Tools/demo_model.sh --keep-parts
    pip install torch==2.13.0+cpu transformers==5.23.0 onnx==1.23.2 onnxruntime==1.32.0 pillow==13.0.0 safetensors
    python3 Tools/make_golden_demo.py LANGUAGE_MODEL VISION_MODEL vit_s_focus.onnx

No weights are written. Tests/Fixtures/README.md says what is in each file; text.txt is written by hand.
"""
import json
import math
import pathlib
import re
import sys

import numpy as np
import onnx
import onnxruntime
import PIL
import tokenizers
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer, Dinov2Model, LlamaForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "Tests" / "Fixtures" / "demo"
PHOTO = "docs/images/cat.jpg"
VISION_LAYERS, IMAGE_SIZE, TOKEN_STEP, NEW_TOKENS = 9, 224, 8, 40
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

PROMPTS = [
    "The capital of France is",
    "Once upon a time, there was a little",
    "Water boils at a temperature of",
    "In the middle of the nineteenth century,",
    "def fibonacci(n):\n",
    "The three most important things to know about cats are:\n1.",
]
CONVERSATIONS = [
    [{"role": "user", "content": "What is the capital of Italy?"}],
    [
        {"role": "system", "content": "You answer in one short sentence."},
        {"role": "user", "content": "Why is the sky blue?"},
    ],
    [
        {"role": "user", "content": "Name an animal that lives in the sea."},
        {"role": "assistant", "content": "The dolphin lives in the sea."},
        {"role": "user", "content": "What does it eat?"},
    ],
]


def round_to_bf16(model):
    """Every parameter rounded to bf16, kept and computed with as f32; rotary frequencies stay as they are."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(torch.bfloat16).float())
    return model


# The language model.


def negative_log_likelihoods(model, ids):
    """-log p of every token but the first, given those before it."""
    with torch.no_grad():
        scores = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return [-scores[position - 1, ids[position]].item() for position in range(1, len(ids))]


def greedy(model, tokenizer, ids):
    """NEW_TOKENS greedy tokens (an end token does not stop them), and how far the second best was at each step."""
    new, gaps, cache = [], [], None
    inputs = torch.tensor([ids])
    for _ in range(NEW_TOKENS):
        with torch.no_grad():
            output = model(inputs, past_key_values=cache, use_cache=True)
        best, cache = output.logits[0, -1].topk(2), output.past_key_values
        gaps.append(round((best.values[0] - best.values[1]).item(), 5))
        new.append(best.indices[0].item())
        inputs = torch.tensor([new[-1:]])
    end = model.config.eos_token_id
    shown = new[: new.index(end)] if end in new else new
    return {"ids": new, "text": tokenizer.decode(shown), "top2_gaps": gaps, "min_top2_gap": min(gaps)}


def language_golden(folder):
    tokenizer, auto = Tokenizer.from_file(f"{folder}/tokenizer.json"), AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()

    def encode(text):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert auto(text, add_special_tokens=False).input_ids == ids, text
        return ids

    ids = encode((OUT / "text.txt").read_text(encoding="utf-8"))
    exact = negative_log_likelihoods(model, ids)
    losses = negative_log_likelihoods(round_to_bf16(model), ids)
    perplexity = lambda values: math.exp(sum(values) / len(values))
    chats = []
    for messages in CONVERSATIONS:
        text = auto.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prompt = encode(text)
        chats.append({"messages": messages, "prompt": text, "prompt_ids": prompt, "greedy": greedy(model, tokenizer, prompt)})
    return {
        "weights": "rounded to bf16, computed in f32",
        "text": {
            "ids": ids, "perplexity": perplexity(losses), "perplexity_of_f32_weights": perplexity(exact),
            "nll": [round(loss, 6) for loss in losses],
        },
        "prompts": [
            {"prompt": prompt, "prompt_ids": encode(prompt), "greedy": greedy(model, tokenizer, encode(prompt))}
            for prompt in PROMPTS
        ],
        "chats": chats,
    }


# The vision tower.


def photo():
    """The photograph as IDEFICS prepares it: bicubic to a square, 0...1, normalised."""
    image = Image.open(ROOT / PHOTO).convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.asarray(image, np.float32) / 255)
    return ((values - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)[None].contiguous()


def features(model, pixels):
    with torch.no_grad():
        return model(pixel_values=pixels, output_hidden_states=True).hidden_states


def fold(model):
    """What `idefics init` stores: LayerScale multiplied into the linear layer before it; positions resized once, with the
    bias of the patches added."""
    with torch.no_grad():
        for layer in model.encoder.layer:
            for scale, linear in ((layer.layer_scale1, layer.attention.o_proj), (layer.layer_scale2, layer.mlp.fc2)):
                linear.weight.mul_(scale.lambda1[:, None])
                linear.bias.mul_(scale.lambda1)
                scale.lambda1.fill_(1)
        embeddings = model.embeddings
        count = (IMAGE_SIZE // model.config.patch_size) ** 2 + 1
        resized = embeddings.interpolate_pos_encoding(torch.zeros(1, count, model.config.hidden_size), IMAGE_SIZE, IMAGE_SIZE)
        bias = embeddings.patch_embeddings.projection.bias
        resized[:, 1:] += bias
        bias.zero_()
        embeddings.position_embeddings = torch.nn.Parameter(resized)
    return model


def onnx_features(path, pixels):
    """The same from the file the weights come from: after block VISION_LAYERS and after the final layer norm."""
    model = onnx.load(path)
    output = {node.name: node.output[0] for node in model.graph.node}
    names = [output[f"/backbone/encoder/layer.{VISION_LAYERS - 1}/Add_1"], output["/backbone/layernorm/Add_1"]]
    for name in names:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [torch.from_numpy(found) for found in session.run(names, {session.get_inputs()[0].name: pixels.numpy()})]


def vision_golden(folder, onnx_path):
    load = lambda: Dinov2Model.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    pixels = photo()
    model = load()
    states = features(model, pixels)
    with torch.no_grad():
        last = model.layernorm(states[-1])
    block, normed = onnx_features(onnx_path, pixels)
    exact = states[VISION_LAYERS]
    found = {
        "f32": exact,
        "bf16": features(round_to_bf16(load()), pixels)[VISION_LAYERS],
        "bf16_folded": features(round_to_bf16(fold(load())), pixels)[VISION_LAYERS],
    }
    folded = features(fold(load()), pixels)[VISION_LAYERS]
    save_file({name: value[0, ::TOKEN_STEP].contiguous() for name, value in found.items()}, OUT / "features.safetensors")
    difference = lambda a, b: (a - b).abs().max().item()
    return {
        "photo": PHOTO, "layers": VISION_LAYERS, "token_step": TOKEN_STEP, "tokens": exact.shape[1],
        "pixel_sum": pixels.double().sum().item(), "pixel_abs_sum": pixels.double().abs().sum().item(),
        "feature_max": exact.abs().max().item(), "feature_mean_abs": exact.abs().mean().item(),
        "max_difference": {
            "onnxruntime, after the blocks": difference(block, exact),
            "onnxruntime, after all 12 and layernorm": difference(normed, last),
            "f32, folded": difference(folded, exact),
            "bf16": difference(found["bf16"], exact),
            "bf16_folded": difference(found["bf16_folded"], exact),
        },
    }


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    language, vision, onnx_path = sys.argv[1:]
    torch.set_num_threads(1)
    packages = (torch, transformers, tokenizers, onnxruntime, PIL)
    golden = {
        "versions": {package.__name__: package.__version__ for package in packages},
        "language": language_golden(language),
        "vision": vision_golden(vision, onnx_path),
    }
    # One line a list of numbers keeps the file readable.
    text = json.dumps(golden, ensure_ascii=False, indent=1)
    (OUT / "golden.json").write_text(join_number_lists(text) + "\n", encoding="utf-8")


def join_number_lists(text):
    """JSON with every list of numbers on one line."""
    return re.sub(r"\[\n\s+([-+.\de,\s]+?)\n\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)


if __name__ == "__main__":
    main()

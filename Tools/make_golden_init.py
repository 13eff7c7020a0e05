#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Makes Tests/Fixtures/init: tiny backbones for `idefics init`, and what transformers computes with them.

    pip install torch==2.13.0+cpu transformers==5.23.0 numpy safetensors
    python3 Tools/make_golden_init.py

Every folder is a loadable checkpoint with golden.safetensors and golden.json beside it; Tests/Fixtures/README.md says
what each covers. All weights are random and seeded; gains, biases and LayerScale are far from ones and zeros.
"""
import json
import math
import pathlib
import shutil

import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer, CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModel, Dinov2Config, Dinov2Model, LlamaConfig,
    LlamaForCausalLM,
)

OUT = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "init"
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__, "tokenizers": tokenizers.__version__}

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SENTENCES = """The quick brown fox jumps over the lazy dog, and the dog does not mind.
In 2023 there were 365 days; the picture shows two kittens in the grass beside a red bicycle.
user system assistant You are a helpful AI assistant. What is in this picture? The answer is that nothing is there.
Grüße aus München; où est la bibliothèque? The end of the story is the start of another one.""".split("\n")
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CONVERSATIONS = [
    [{"role": "user", "content": "What is in this picture?"}],
    [{"role": "system", "content": "Answer in 3 words."}, {"role": "user", "content": "Où est la bibliothèque?"}],
    [
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hi. How can I help?"},
        {"role": "user", "content": "  Two\nlines, <|im_end|> inside.  "},
    ],
]
TEXTS = [
    "The quick brown fox", " jumps over 365 dogs.", "Grüße 😀\n\n  end", "a", "<|im_start|>user\nHello!<|im_end|>\n",
    "In 2023 the picture shows nothing, and that is the answer: the end of the story is the start of another one.",
]


def normal(generator, shape, scale=1.0, mean=0.0):
    return torch.randn(shape, generator=generator) * scale + mean


def randomise(model, seed):
    """Linear weights keep the size of what they are given; everything else is random so that a mistake shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            kind = name.rsplit(".", 1)[-1]
            if kind == "lambda1":
                value = normal(generator, parameter.shape, 0.4, 0.3)
            elif parameter.ndim >= 2 and "embed" not in name:
                value = normal(generator, parameter.shape, 1.2 / math.sqrt(parameter[0].numel()))
            elif "norm" in name and kind == "weight":
                value = normal(generator, parameter.shape, 0.6, 0.5)
            elif "patch_embed" in name and parameter.ndim == 4:
                value = normal(generator, parameter.shape, 1 / math.sqrt(parameter[0].numel()))
            else:
                value = normal(generator, parameter.shape, 0.5)
            parameter.copy_(value)
    return model.eval()


def write_json(folder, name, value):
    (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def new_folder(name):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# Language models.


def train_tokenizer():
    """A byte-level BPE tokenizer of 300 tokens that splits text as SmolLM2's does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=SPECIAL, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    assert tokenizer.get_vocab_size() == 300
    return tokenizer


def write_tokenizer(folder, tokenizer):
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    names = {"bos_token": SPECIAL[1], "eos_token": SPECIAL[2], "pad_token": SPECIAL[2], "unk_token": SPECIAL[0]}
    write_json(folder, "tokenizer_config.json", {
        "tokenizer_class": "GPT2Tokenizer", "add_bos_token": False, "add_prefix_space": False,
        "clean_up_tokenization_spaces": False, "model_max_length": 256, **names, "chat_template": CHAT_TEMPLATE,
    })
    write_json(folder, "special_tokens_map.json", names)


def greedy(model, ids, count):
    """`count` greedy tokens whatever they are, and the smallest gap between the two best logits."""
    ids, gaps = list(ids), []
    for _ in range(count):
        with torch.no_grad():
            best = model(torch.tensor([ids])).logits[0, -1].topk(2)
        gaps.append((best.values[0] - best.values[1]).item())
        ids.append(best.indices[0].item())
    return ids[-count:], min(gaps)


def language_goldens(folder, tokenizer, model, chat):
    """Writes the goldens of the checkpoint in `folder`, computed in f32."""
    rows, tensors = [], {}
    for index, text in enumerate(TEXTS):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        with torch.no_grad():
            tensors[f"logits.{index}"] = model(torch.tensor([ids])).logits[0].contiguous()
        continuation, gap = greedy(model, ids, 16)
        rows.append({"text": text, "ids": ids, "greedy": continuation, "min_top2_gap": gap})
    golden = {"versions": VERSIONS, "texts": rows}
    if chat:
        auto = AutoTokenizer.from_pretrained(folder)
        golden["chats"] = [
            {
                "messages": messages,
                "add_generation_prompt": add_prompt,
                "text": (text := auto.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_prompt)),
                "ids": tokenizer.encode(text, add_special_tokens=False).ids,
            }
            for messages in CONVERSATIONS
            for add_prompt in (False, True)
        ]
    save_file(tensors, folder / "golden.safetensors")
    write_json(folder, "golden.json", golden)


def llama_config(**changes):
    return LlamaConfig(**{
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4,
        "rms_norm_eps": 1e-5, "max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
        "attn_implementation": "eager", **changes,
    })


def llama_gqa(tokenizer):
    """Grouped queries and tied embeddings, as SmolLM2; config.json as transformers 5 writes it (`rope_parameters`)."""
    folder = new_folder("llama-gqa")
    config = llama_config(
        vocab_size=300, num_key_value_heads=2, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
    )
    randomise(LlamaForCausalLM(config), seed=1).save_pretrained(folder)
    write_tokenizer(folder, tokenizer)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    language_goldens(folder, tokenizer, model, chat=True)


def llama_untied(tokenizer):
    """bf16 in two shards, more rows than tokens, config.json as transformers 4.30 wrote it: no rotary settings."""
    folder = new_folder("llama-untied")
    config = llama_config(vocab_size=305, num_key_value_heads=4, tie_word_embeddings=False)
    model = randomise(LlamaForCausalLM(config), seed=2).to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("model-*.safetensors"))) == 2
    write_tokenizer(folder, tokenizer)
    written = json.loads((folder / "config.json").read_text())
    for key in ("rope_parameters", "dtype", "head_dim", "transformers_version"):
        written.pop(key, None)
    write_json(folder, "config.json", written | {"torch_dtype": "bfloat16", "transformers_version": "4.30.0"})
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    assert model.config.rope_parameters["rope_theta"] == 10000
    language_goldens(folder, tokenizer, model, chat=False)


# Vision towers.

CLIP_PREPROCESSOR = {
    "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 28}, "resample": 3,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
}
DINOV2_PREPROCESSOR = {
    "image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 70}, "resample": 3,
    "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
}
CLIP_VISION = {
    "hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 3, "image_size": 28, "patch_size": 14,
    "intermediate_size": 56, "projection_dim": 16,
}
CLIP_TEXT = {
    "vocab_size": 20, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 24,
    "max_position_embeddings": 8, "projection_dim": 16, "bos_token_id": 18, "eos_token_id": 19, "pad_token_id": 0,
}


def vision_goldens(folder, cases):
    """Writes name -> (pixels or None, features); the features are what enters the final or post layer norm."""
    tensors = {}
    for name, (pixels, features) in cases.items():
        if pixels is not None:
            tensors[f"{name}.pixel_values"] = pixels
        tensors[f"{name}.features"] = features.contiguous()
    save_file(tensors, folder / "golden.safetensors")
    write_json(folder, "golden.json", {
        "versions": VERSIONS,
        "cases": {name: {"shape": list(f.shape), "max": f.abs().max().item()} for name, (_, f) in cases.items()},
    })


def pixels(seed, count, size):
    return normal(torch.Generator().manual_seed(seed), (count, 3, size, size))


def hidden_states(model, values):
    with torch.no_grad():
        return model(pixel_values=values, output_hidden_states=True).hidden_states


def clip():
    folder = new_folder("clip")
    config = CLIPVisionConfig(**CLIP_VISION, hidden_act="gelu", attn_implementation="eager")
    randomise(CLIPVisionModel(config), seed=3).save_pretrained(folder)
    write_json(folder, "preprocessor_config.json", CLIP_PREPROCESSOR)
    model = CLIPVisionModel.from_pretrained(folder, attn_implementation="eager")
    values = pixels(4, 2, 28)
    features = hidden_states(model, values)[-1]
    vision_goldens(folder, {"all": (values, features)})
    return values, features


def clip_full():
    """Both halves under one roof, quick_gelu; an unused text half and the projections must be skipped."""
    folder = new_folder("clip-full")
    config = CLIPConfig(
        vision_config=CLIP_VISION | {"hidden_act": "quick_gelu"}, text_config=CLIP_TEXT, projection_dim=16,
        attn_implementation="eager",
    )
    randomise(CLIPModel(config), seed=5).save_pretrained(folder)
    write_json(folder, "preprocessor_config.json", CLIP_PREPROCESSOR)
    model = CLIPModel.from_pretrained(folder, attn_implementation="eager")
    values = pixels(6, 2, 28)
    vision_goldens(folder, {"all": (values, hidden_states(model.vision_model, values)[-1])})


def openclip(values, features):
    """The weights of clip/ under OpenCLIP's names and in its layout."""
    folder = new_folder("openclip")
    source = load_file(OUT / "clip" / "model.safetensors")
    take = source.pop
    visual = {
        "conv1.weight": take("embeddings.patch_embedding.weight"),
        "class_embedding": take("embeddings.class_embedding"),
        "positional_embedding": take("embeddings.position_embedding.weight"),
    }
    for name, target in (("pre_layrnorm", "ln_pre"), ("post_layernorm", "ln_post")):
        for kind in ("weight", "bias"):
            visual[f"{target}.{kind}"] = take(f"{name}.{kind}")
    for layer in range(3):
        old, new = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            # One matrix of queries, keys and values, in this order.
            visual[f"{new}.attn.in_proj_{kind}"] = torch.cat([take(f"{old}.self_attn.{p}_proj.{kind}") for p in "qkv"])
            for name, target in (
                ("self_attn.out_proj", "attn.out_proj"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
            ):
                visual[f"{new}.{target}.{kind}"] = take(f"{old}.{name}.{kind}")
    assert not source, sorted(source)
    generator = torch.Generator().manual_seed(7)
    visual["proj"] = normal(generator, (24, 16))
    tensors = {f"visual.{name}": tensor.contiguous() for name, tensor in visual.items()} | {
        "logit_scale": torch.tensor(2.6592),
        "positional_embedding": normal(generator, (8, 16)),
        "text_projection": normal(generator, (16, 16)),
        "token_embedding.weight": normal(generator, (20, 16)),
        "ln_final.weight": normal(generator, (16,)),
        "ln_final.bias": normal(generator, (16,)),
        "transformer.resblocks.0.ln_1.weight": normal(generator, (16,)),
        "transformer.resblocks.0.attn.in_proj_weight": normal(generator, (48, 16)),
    }
    save_file(tensors, folder / "open_clip_model.safetensors")
    write_json(folder, "open_clip_config.json", {
        "model_cfg": {
            "embed_dim": 16,
            "vision_cfg": {"image_size": 28, "layers": 3, "width": 24, "head_width": 8, "mlp_ratio": 56 / 24, "patch_size": 14},
            "text_cfg": {"context_length": 8, "vocab_size": 20, "width": 16, "heads": 2, "layers": 1},
        },
        "preprocess_cfg": {"mean": CLIP_PREPROCESSOR["image_mean"], "std": CLIP_PREPROCESSOR["image_std"]},
    })
    vision_goldens(folder, {"all": (values, features)})


def dinov2():
    """No pre-LayerNorm, LayerScale, a position grid for another image size, and fewer blocks than there are."""
    folder = new_folder("dinov2")
    config = Dinov2Config(
        hidden_size=24, num_attention_heads=3, num_hidden_layers=4, mlp_ratio=2, image_size=70, patch_size=14,
        drop_path_rate=0.0, attn_implementation="eager",
    )
    randomise(Dinov2Model(config), seed=8).save_pretrained(folder)
    write_json(folder, "preprocessor_config.json", DINOV2_PREPROCESSOR)
    model = Dinov2Model.from_pretrained(folder, attn_implementation="eager")
    own, smaller, larger = pixels(9, 1, 70), pixels(10, 1, 56), pixels(11, 1, 84)
    states = hidden_states(model, smaller)
    vision_goldens(folder, {
        "all": (own, hidden_states(model, own)[4]),
        "all_56": (smaller, states[4]),
        "first_3_56": (None, states[3]),  # of all_56's pixels
        "all_84": (larger, hidden_states(model, larger)[4]),
    })


def main():
    torch.set_num_threads(1)
    tokenizer = train_tokenizer()
    llama_gqa(tokenizer)
    llama_untied(tokenizer)
    openclip(*clip())
    clip_full()
    dinov2()


if __name__ == "__main__":
    main()

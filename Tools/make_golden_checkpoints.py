"""Makes Tests/Fixtures/checkpoints: small files of torch.save and of the official safetensors library, and what they hold.

    python3 -m venv venv && venv/bin/pip install numpy safetensors==0.8.0 torch==2.13.0+cpu
    venv/bin/python Tools/make_golden_checkpoints.py

golden.json: `tensors` by file: name -> [dtype as safetensors names it, shape, row-major bytes in hex];
`digests` by checkpoint file of the other fixtures: CRC-32 over name, dtype, shape and bytes of all tensors, sorted by name.
"""

import glob
import json
import os
import zlib
from collections import OrderedDict

import torch
from safetensors import safe_open
from safetensors.torch import save_file

FIXTURES = os.path.join(os.path.dirname(__file__), "..", "Tests", "Fixtures")
FOLDER = os.path.join(FIXTURES, "checkpoints")
NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}


def raw(tensor):
    tensor = tensor.detach().contiguous()
    return bytes(tensor.reshape(-1).view(torch.uint8).tolist()) if tensor.numel() else b""


def facts(tensors):
    return {name: [NAMES[t.dtype], list(t.shape), raw(t).hex()] for name, t in tensors.items()}


def digest(tensors):
    value = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        head = f"{name} {NAMES[tensor.dtype]} {list(tensor.shape)}\n".replace(", ", ",")
        value = zlib.crc32(raw(tensor), zlib.crc32(head.encode(), value))
    return value


def read(path):
    if path.endswith(".bin"):
        return torch.load(path, weights_only=True)
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def every_kind():
    """Views, ties and element types as torch.save meets them."""
    generator = torch.Generator().manual_seed(7)
    base = torch.randn(4, 6, generator=generator)
    tensors = OrderedDict(
        base=base,
        transposed=base.t(),
        rows=base[1:3],  # contiguous, at an offset
        columns=base[:, 1:4],  # gaps between the rows
        everySecond=base[:, ::2],
        tied=base,
        permuted=torch.randn(2, 3, 4, generator=generator).permute(2, 0, 1),
        parameter=torch.nn.Parameter(torch.randn(3, generator=generator)),
        scalar=torch.tensor(3.5),
        empty=torch.zeros(0, 5),
        single=torch.randn(1, 1, 3, generator=generator).expand(1, 1, 3),
    )
    for dtype, name in NAMES.items():
        values = torch.randint(0, 2 if dtype == torch.bool else 100, (3, 5), generator=generator)
        tensors["type." + name] = values.to(dtype)
    return tensors


def main():
    os.makedirs(FOLDER, exist_ok=True)

    def path(*names):
        os.makedirs(os.path.dirname(os.path.join(FOLDER, *names)), exist_ok=True)
        return os.path.join(FOLDER, *names)

    golden = {"tensors": {}, "digests": {}, "torch": torch.__version__}
    tensors = every_kind()
    for protocol in (2, 3, 4, 5):
        torch.save(tensors, path(f"protocol{protocol}.bin"), pickle_protocol=protocol)
        golden["tensors"][f"protocol{protocol}.bin"] = facts(tensors)

    torch.manual_seed(3)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2)).state_dict()  # carries _metadata
    torch.save(module, path("module.bin"))
    golden["tensors"]["module.bin"] = facts(module)

    # Listed, but the engine has no such types.
    torch.save(
        {
            "complex": torch.ones(2, dtype=torch.complex64),
            "unsigned": torch.ones(2, dtype=torch.uint16),
            "float8": torch.ones(2).to(torch.float8_e4m3fn),
            "plain": torch.ones(2),
        },
        path("unsupported.bin"),
    )
    torch.save({"expanded": torch.ones(1).expand(1000, 1000)}, path("expanded.bin"))
    torch.save({"conjugate": torch.ones(2, dtype=torch.complex64).conj()}, path("conjugate.bin"))
    torch.save({"epoch": 3, "state_dict": module}, path("training.bin"))
    torch.save(module, path("legacy.bin"), _use_new_zipfile_serialization=False)

    # Sharded; the second folder names its safetensors files as one early release does.
    names = list(module)
    shards = [{n: module[n] for n in names[:2]}, {n: module[n] for n in names[2:]}]
    for folder, index, extension, save in (
        ("sharded-bin", "pytorch_model.bin.index.json", "bin", torch.save),
        ("early-index", "model.safetensors.index.json", "safetensors", save_file),
    ):
        weight_map = {}
        for number, shard in enumerate(shards, 1):
            file = f"pytorch_model-{number:05}-of-00002.{extension}"
            save(shard, path(folder, file))
            weight_map |= {name: file for name in shard}
        with open(path(folder, index), "w") as file:
            json.dump({"metadata": {"total_size": 56}, "weight_map": weight_map}, file, indent=1)
        golden["tensors"][folder] = facts(module)

    kinds = {name: t.detach().clone().contiguous() for name, t in tensors.items()}
    kinds['odd "name"\\ \n\u00e9'] = torch.ones(1)
    save_file(kinds, path("kinds.safetensors"), metadata={"format": "pt"})
    golden["tensors"]["kinds.safetensors"] = facts(kinds)

    for pattern in ("f*/*.safetensors", "f*/*.bin", "f*/golden/*.safetensors", "processor/*.safetensors"):
        for file in sorted(glob.glob(os.path.join(FIXTURES, pattern))):
            golden["digests"][os.path.relpath(file, FIXTURES)] = digest(read(file))
    with open(path("golden.json"), "w") as file:
        json.dump(golden, file, indent=0, sort_keys=True)


main()

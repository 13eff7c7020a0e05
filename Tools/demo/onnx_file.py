# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of ONNX that the demo's vision tower uses: the graph's nodes and its f32 initializers.

ONNX is a protobuf message. A message is a list of fields, each a key (number·8 + wire type) and a value; the numbers
below are those of onnx.proto: ModelProto.graph 7; GraphProto.node 1, .initializer 5; NodeProto.input 1, .output 2,
.name 3, .op_type 4; TensorProto.dims 1, .data_type 2, .name 8, .raw_data 9.
"""
from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Dict, Iterator, List, NamedTuple, Tuple

import numpy as np

from checked_bytes import MappedFile

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FLOAT = 1  # TensorProto.DataType


class Field(NamedTuple):
    """A field of a message: for bytes the place in the file, for a number its value in `start`."""

    number: int
    wire: int
    start: int
    end: int


@dataclass(frozen=True)
class Node:
    """One operation of the graph."""

    name: str
    operation: str
    inputs: Tuple[str, ...]


@dataclass(frozen=True)
class Initializer:
    """Where a tensor's bytes lie."""

    shape: Tuple[int, ...]
    data_type: int
    start: int
    end: int


class ONNXFile:
    """Nodes and initializers of one ONNX file."""

    def __init__(self, path: pathlib.Path) -> None:
        self.file = MappedFile(path)
        self.nodes: List[Node] = []
        self.initializers: Dict[str, Initializer] = {}
        for graph in self.fields(0, len(self.file), "ModelProto"):
            if graph.number != 7 or graph.wire != BYTES:
                continue
            for field in self.fields(graph.start, graph.end, "GraphProto"):
                if field.number == 1 and field.wire == BYTES:
                    self.nodes.append(self.read_node(field))
                elif field.number == 5 and field.wire == BYTES:
                    self.read_initializer(field)
        if not self.initializers:
            raise self.file.fail("graph", "has no initializers: not an ONNX model, or one without weights")

    def tensor(self, name: str, shape: Tuple[int, ...]) -> np.ndarray:
        """The f32 initializer `name`, which must have the shape `shape`."""
        found = self.initializers.get(name)
        if found is None:
            raise self.file.fail(name, "missing initializer")
        if found.data_type != FLOAT or found.shape != shape:
            raise self.file.fail(name, f"type {found.data_type} {found.shape}, expected f32 {shape}")
        count = 1
        for size in shape:
            count *= size
        if found.end - found.start != 4 * count:
            raise self.file.fail(name, f"raw_data has {found.end - found.start} bytes, expected {4 * count}")
        tensor = np.frombuffer(self.file.bytes, "<f4", count, found.start).reshape(shape)
        if not np.isfinite(tensor).all():
            raise self.file.fail(name, "has weights that are not finite")
        return tensor

    def read_node(self, message: Field) -> Node:
        """A NodeProto's name, type and inputs."""
        texts: Dict[int, List[str]] = {1: [], 3: [""], 4: [""]}
        for field in self.fields(message.start, message.end, "NodeProto"):
            if field.number in texts and field.wire == BYTES:
                texts[field.number].append(self.text(field, "NodeProto"))
        return Node(name=texts[3][-1], operation=texts[4][-1], inputs=tuple(texts[1]))

    def read_initializer(self, message: Field) -> None:
        """Notes where a TensorProto's bytes lie."""
        name, shape, data_type, start, end = "", [], 0, 0, 0
        for field in self.fields(message.start, message.end, "TensorProto"):
            if field.number == 1:
                shape += self.integers(field)
            elif field.number == 2 and field.wire == VARINT:
                data_type = field.start
            elif field.number == 8 and field.wire == BYTES:
                name = self.text(field, "TensorProto.name")
            elif field.number == 9 and field.wire == BYTES:
                start, end = field.start, field.end
        if name in self.initializers:
            raise self.file.fail(name, "initializer is there twice")
        self.initializers[name] = Initializer(tuple(shape), data_type, start, end)

    def integers(self, field: Field) -> List[int]:
        """A repeated integer field: one value, or several packed."""
        if field.wire == VARINT:
            return [field.start]
        values, position = [], field.start
        while position < field.end:
            value, position = self.varint(position, field.end, "packed integers")
            values.append(value)
        return values

    def text(self, field: Field, where: str) -> str:
        """A field's bytes as UTF-8."""
        try:
            return self.file.bytes[field.start : field.end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.file.fail(where, f"is not UTF-8 ({error.reason})") from None

    def varint(self, position: int, end: int, where: str) -> Tuple[int, int]:
        """A number in groups of seven bits, low ones first, and where it ends."""
        value = 0
        for shift in range(0, 70, 7):
            if position >= end:
                raise self.file.fail(where, "a number is cut off")
            byte = self.file.bytes[position]
            position += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, position
        raise self.file.fail(where, "a number has more than ten bytes")

    def fields(self, position: int, end: int, where: str) -> Iterator[Field]:
        """The fields of the message that lies in position..<end."""
        while position < end:
            key, position = self.varint(position, end, where)
            number, wire = key >> 3, key & 7
            if wire == VARINT:
                value, position = self.varint(position, end, where)
                yield Field(number, wire, value, value)
                continue
            if wire == BYTES:
                count, position = self.varint(position, end, where)
            elif wire in (FIXED32, FIXED64):
                count = 4 if wire == FIXED32 else 8
            else:
                raise self.file.fail(where, f"field {number} has wire type {wire}")
            if position + count > end:
                raise self.file.fail(where, f"field {number} leaves its message")
            yield Field(number, wire, position, position + count)
            position += count

"""A reader of GLB that poses what it reads, by the glTF 2.0 specification alone, and the validator of Khronos."""

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from emage.ui import web

_DTYPES = {5120: "i1", 5121: "u1", 5122: "i2", 5123: "u2", 5125: "u4", 5126: "f4"}
_SHAPES = {"SCALAR": (), "VEC3": (3,), "VEC4": (4,), "MAT4": (4, 4)}
_VALIDATE = """
const validator = require("gltf-validator");
const bytes = new Uint8Array(require("fs").readFileSync(process.argv[1]));
validator.validateBytes(bytes).then((report) => console.log(JSON.stringify(report)));
"""


def validate(path: Path) -> dict[str, Any]:
    """The Khronos validator's report."""
    folder, node = Path(web.__file__).parent, shutil.which("node")
    if node is None or not (folder / "node_modules" / "gltf-validator").is_dir():
        pytest.skip("the validator needs node and `npm ci` in emage/ui/web, as `make check` has them")
    ran = subprocess.run([node, "-e", _VALIDATE, path], cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


_POSE = """
import * as THREE from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { readFileSync } from "fs";
globalThis.self = globalThis;
const content = readFileSync(process.argv[1]);
const bytes = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
const gltf = await new GLTFLoader().parseAsync(bytes, "");
const body = gltf.scene.getObjectByName("body"), point = new THREE.Vector3();
const mixer = new THREE.AnimationMixer(gltf.scene);
mixer.clipAction(gltf.animations[0]).play();
mixer.setTime(Number(process.argv[2]));
gltf.scene.updateMatrixWorld(true);
const vertices = [];
const count = body.geometry.attributes.position.count;
for (let i = 0; i < count; i++) vertices.push(body.getVertexPosition(i, point).toArray());
const joints = body.skeleton.bones.map((bone) => bone.getWorldPosition(point).toArray());
console.log(JSON.stringify({ vertices, joints, actions: Object.keys(body.morphTargetDictionary) }));
"""


def pose_by_three(path: Path, time_s: float) -> dict[str, Any]:
    """What three.js makes of a moment of the animation: vertices (V, 3), joints (55, 3), and the targets' names."""
    folder, node = Path(web.__file__).parent, shutil.which("node")
    if node is None or not (folder / "node_modules" / "three").is_dir():
        pytest.skip("three.js needs node and `npm ci` in emage/ui/web, as `make check` has them")
    words = [node, "--input-type=module", "-e", _POSE, path, str(time_s)]
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


class Glb:
    def __init__(self, content: bytes):
        magic, version, length = struct.unpack_from("<III", content)
        assert (magic, version, length) == (0x46546C67, 2, len(content))
        size, kind = struct.unpack_from("<II", content, 12)
        assert kind == 0x4E4F534A
        self.json = json.loads(content[20 : 20 + size])
        binary_size, kind = struct.unpack_from("<II", content, 20 + size)
        assert kind == 0x004E4942
        self._binary = content[28 + size : 28 + size + binary_size]
        self.nodes = self.json["nodes"]
        self.parents = {child: i for i, node in enumerate(self.nodes) for child in node.get("children", ())}

    def array(self, number: int) -> np.ndarray:
        """An accessor's values, whole numbers as 0..1 where they are normalized."""
        accessor = self.json["accessors"][number]
        shape, dtype = _SHAPES[accessor["type"]], _DTYPES[accessor["componentType"]]
        values = np.zeros((accessor["count"], *shape), dtype)
        if "bufferView" in accessor:
            values = self._read(accessor["bufferView"], dtype, accessor["count"], shape).copy()
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            places = self._read(
                sparse["indices"]["bufferView"], _DTYPES[sparse["indices"]["componentType"]], sparse["count"], ()
            )
            assert (np.diff(places.astype(int)) > 0).all()
            values[places] = self._read(sparse["values"]["bufferView"], dtype, sparse["count"], shape)
        return values / np.iinfo(values.dtype).max if accessor.get("normalized") else values

    def _read(self, view: int, dtype: str, count: int, shape: tuple[int, ...]) -> np.ndarray:
        view = self.json["bufferViews"][view]
        assert "byteStride" not in view
        values = np.frombuffer(self._binary, f"<{dtype}", count * int(np.prod(shape)), view.get("byteOffset", 0))
        return values.reshape(count, *shape)

    def primitives(self) -> list[dict[str, Any]]:
        return self.json["meshes"][0]["primitives"]

    def attribute(self, name: str) -> np.ndarray:
        """Of the one primitive."""
        (primitive,) = self.primitives()
        return self.array(primitive["attributes"][name])

    def faces(self, primitive: int = 0) -> np.ndarray:
        return self.array(self.primitives()[primitive]["indices"]).reshape(-1, 3)

    def target_names(self) -> list[str]:
        return self.json["meshes"][0]["extras"]["targetNames"]

    def target(self, name: str) -> np.ndarray:
        (primitive,) = self.primitives()
        return self.array(primitive["targets"][self.target_names().index(name)]["POSITION"])

    def pose(self, time_s: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Skinned vertices (V, 3) and joints (55, 3) at a moment of the animation, or at rest."""
        local = {
            i: [np.array(node.get("translation", (0, 0, 0.0))), (0, 0, 0, 1.0)] for i, node in enumerate(self.nodes)
        }
        weights = np.zeros(len(self.target_names()))
        if time_s is not None:
            (animation,) = self.json["animations"]
            for channel in animation["channels"]:
                sampler = animation["samplers"][channel["sampler"]]
                value = self._sample(sampler, channel["target"]["path"], time_s)
                node, path = channel["target"]["node"], channel["target"]["path"]
                if path == "weights":
                    weights = value
                else:
                    local[node][("translation", "rotation").index(path)] = value

        def world(node: int) -> np.ndarray:
            matrix = np.eye(4)
            matrix[:3, :3], matrix[:3, 3] = Rotation.from_quat(local[node][1]).as_matrix(), local[node][0]
            return world(self.parents[node]) @ matrix if node in self.parents else matrix

        skin = self.json["skins"][0]
        globals_ = np.stack([world(joint) for joint in skin["joints"]])
        inverse = self.array(skin["inverseBindMatrices"]).transpose(0, 2, 1)
        (primitive,) = self.primitives()
        points = self.attribute("POSITION").astype(float)
        for weight, target in zip(weights, primitive["targets"], strict=True):
            points += weight * self.array(target["POSITION"])
        matrices = globals_ @ inverse
        blended = np.einsum("vk,vkij->vij", self.attribute("WEIGHTS_0"), matrices[self.attribute("JOINTS_0")])
        return np.einsum("vij,vj->vi", blended[:, :3, :3], points) + blended[:, :3, 3], globals_[:, :3, 3]

    def _sample(self, sampler: dict[str, Any], path: str, time_s: float) -> np.ndarray:
        assert sampler["interpolation"] == "LINEAR"
        times = self.array(sampler["input"]).astype(float)
        values = self.array(sampler["output"]).astype(float).reshape(len(times), -1)
        time_s = np.clip(time_s, times[0], times[-1])
        if path == "rotation":
            return values[0] if len(times) == 1 else Slerp(times, Rotation.from_quat(values))(time_s).as_quat()
        return np.array([np.interp(time_s, times, column) for column in values.T])

"""Run by `tests.benchmarks.blender` in an environment with bpy: FILE OUT SIZE SAMPLES FRAME...

Imports a GLB or BVH, and writes for each frame where the bones begin, the skin, and pictures.
"""

import json
import math
import sys

import bpy
import numpy as np
from mathutils import Vector


def main(source: str, out: str, size: int, samples: int, frames: list[int]) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = 30
    if source.endswith(".glb"):
        bpy.ops.import_scene.gltf(filepath=source)
        first = 0
    else:
        bpy.ops.import_anim.bvh(
            filepath=source, global_scale=0.01, axis_forward="-Z", axis_up="Y", rotate_mode="NATIVE"
        )
        first = 1  # nor can it be told to begin with 0
    (armature,) = (each for each in bpy.data.objects if each.type == "ARMATURE")
    skins = [each for each in bpy.data.objects if each.type == "MESH" and each.data.shape_keys]
    set_stage(scene, size, samples)
    bones = {}
    for frame in frames:
        scene.frame_set(first + frame)
        posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        bones[frame] = {bone.name: list(armature.matrix_world @ bone.head) for bone in posed.pose.bones}
        for skin in skins:
            np.save(f"{out}_{frame}.npy", read_skin(skin))
        added = [] if skins else draw_bones(armature)
        take_picture(scene, bones[frame]["spine1"], 3.4, f"{out}_{frame}.png")
        if skins:
            take_picture(scene, bones[frame]["jaw"], 0.75, f"{out}_face_{frame}.png")
        for each in added:
            bpy.data.objects.remove(each)
    with open(f"{out}.json", "w") as stream:
        json.dump(bones, stream)


def read_skin(skin: bpy.types.Object) -> np.ndarray:
    """(V, 3) as it is shown."""
    mesh = skin.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    points = np.empty(3 * len(mesh.vertices))
    mesh.vertices.foreach_get("co", points)
    matrix = np.array(skin.matrix_world)
    return points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def draw_bones(armature: bpy.types.Object) -> list[bpy.types.Object]:
    """A cone for each, for bones are in no picture."""
    cones = []
    for bone in armature.pose.bones:
        start, end = armature.matrix_world @ bone.head, armature.matrix_world @ bone.tail
        way = end - start
        bpy.ops.mesh.primitive_cone_add(
            radius1=max(0.005, 0.09 * way.length),
            radius2=0.003,
            depth=way.length,
            location=(start + end) / 2,
            rotation=way.to_track_quat("Z", "Y").to_euler(),
        )
        cones.append(bpy.context.object)
    return cones


def set_stage(scene: bpy.types.Scene, size: int, samples: int) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.samples = samples
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.view_settings.view_transform = "Standard"
    scene.world = bpy.data.worlds.new("world")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.85, 0.87, 0.9, 1)
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy, sun.rotation_euler = 2, (math.radians(45), 0, math.radians(-30))
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    for each in (sun, scene.camera):
        scene.collection.objects.link(each)


def take_picture(scene: bpy.types.Scene, target: list[float], distance_m: float, path: str) -> None:
    """From the front, which in Blender is -y."""
    camera = scene.camera
    camera.location = Vector(target) + Vector((0, -distance_m, 0.1 * distance_m))
    camera.rotation_euler = (Vector(target) - camera.location).to_track_quat("-Z", "Y").to_euler()
    scene.render.filepath = path
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    source, out, size, samples, *frames = sys.argv[1:]
    main(source, out, int(size), int(samples), [int(frame) for frame in frames])

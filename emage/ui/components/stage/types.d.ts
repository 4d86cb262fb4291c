declare const SETTINGS: SharedSettings & {
  parents: number[]; // of the joints
  jointNames: string[];
  parts: string[]; // disjoint, in the order of a body's vertices
  partOfJoint: number[];
  differenceM: number; // shown in full colour
  fingertipJoints: number[];
};
declare const props: { label: string; value: StageJson | null };

/** As Gradio sends a file. */
type FileJson = { path: string; url: string };
type BodyJson = {
  key: string;
  file: FileJson;
  landmarks: Record<string, number[]>; // vertices
  joint_offsets: [joint: number, face: number, x: number, y: number, z: number][];
};
type TakeJson = {
  number: number | null; // among the user's takes
  key: string; // changes with what the take shows
  caption: string;
  files: FileJson[]; // a take that is being made has several, in their order
  ghost: { key: string; files: FileJson[] } | null;
  body: string; // key of one of the bodies
  num_frames: number; // that there are
  total_frames: number; // that there will be
  floor_y: number;
  see_through: boolean; // a hint's motion, drawn as a ghost
};
type LibraryJson = { three: FileJson; controls: FileJson; loader: FileJson; buffers: FileJson };
type StageJson = {
  takes: TakeJson[];
  bodies: BodyJson[];
  sound: FileJson | null;
  sounds: { label: string; file: FileJson }[]; // to choose from, where there are several
  followed: { selector: string; start_frame: number }[]; // other players, and where in the takes they start
  library: LibraryJson | null; // null where it is not installed
  film: boolean; // whether a video can be asked for
  plays: boolean; // begins by itself
  passing: string; // no result: what stood there before can be seen again, and these words lead back here
  waits: boolean; // there is nothing yet, but will be
  goes_back: boolean; // nothing comes of what was passing
};

type Three = typeof import("three");
type Vector3 = import("three").Vector3;

/** Numbers that a displacement of weight 1 adds to some vertices. */
type Morph = { name: string; vertices: Uint32Array; offsets: Float32Array; normals: Float32Array };
type StageBody = {
  key: string;
  position: Float32Array;
  normal: Float32Array;
  areas: Float32Array; // of each vertex, square metres
  index: Uint32Array | Uint16Array;
  parts: Float32Array;
  colors: Uint8Array;
  owners: Float32Array; // four joints of each vertex
  weights: Float32Array;
  joints: Float64Array; // at rest, (55 * 3)
  faces: Morph[]; // of the expressions, in their order
  correctives: { morph: Morph; joint: number; entry: number }[];
  moved: Uint32Array; // vertices that any morph moves
  jointOffsets: { joint: number; face: number; offset: number[] }[];
  landmarks: Record<string, number[]>;
};
type Pose = { quaternions: Float64Array; root: Float64Array; faces: Float32Array; hints: number };
type Segment = { from: number[]; to: number[]; radius: number; color: number[] };

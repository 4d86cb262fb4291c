declare const SETTINGS: SharedSettings & {
  rows: string[]; // the disjoint parts
  leavesOf: Record<string, string[]>; // those of each part
  leastBlendFrames: number;
  maxBlendFrames: number;
  maxSpans: number;
  maxWordCharacters: number;
  unsureBelow: number; // a word's confidence
};
declare const props: { label: string; value: TimelineJson | null; backdrop: BackdropJson | {} };
declare const server: { last_backdrop(): Promise<BackdropJson | {}> };

type PlanJson = { spans: SpanJson[]; blend_frames: number | null };
type TimelineJson = { num_frames: number; trim: { start_frame: number; end_frame: number }; plan: PlanJson };
type BackdropJson = {
  num_frames: number;
  peaks: string; // bytes in base64
  silent: [start: number, end: number][];
  clipped: [start: number, end: number][];
  words: string; // Word[] as JSON
  reference_span: Reach | null;
  face_fault: string | null;
  media: { selector: string; start_frame: number }[];
  warnings: string[];
};
/** confidence: 0 to 1, of who recognised it; null: a person gave it. */
type Word = [text: string, start_s: number, end_s: number, confidence: number | null];
type Backdrop = Omit<BackdropJson, "peaks" | "words"> & { peaks: Uint8Array };

/** From the first frame that can be painted to the last, end exclusive. */
type Reach = [start: number, end: number];
/** Frames, the end exclusive; `leaf` is the row that it lies in. */
type Span = { id: number; leaf: string; start: number; end: number; mode: string; group: { part: string } | null };
type Edge = "start" | "end";
type Edit = { spans: Span[]; words: Word[]; blendFrames: number | null; trimStart: number; trimEnd: number };

/** What a pointer that is down does, and what it has done until now. */
type DragHandlers = {
  move(frame: number): void;
  drop?(drag: Drag): void;
  tap?(drag: Drag): void;
};
type Drag = DragHandlers & {
  pointerId: number;
  downX: number;
  x: number;
  hasMoved: boolean;
  spans: Span[];
  words: Word[];
  trim: [start: number, end: number];
  paints?: number; // id of the span that comes to be
};
type Snap = { frame: number; isEdge: boolean };

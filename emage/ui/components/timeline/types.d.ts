declare const SETTINGS: SharedSettings & {
  rows: string[]; // the disjoint parts
  leavesOf: Record<string, string[]>; // those of each part
  blendFrames: number;
  maxBlendFrames: number;
  maxSpans: number;
};
declare const props: { label: string; value: TimelineJson | null; backdrop: BackdropJson | {} };
declare const server: { last_backdrop(): Promise<BackdropJson | {}> };

type PlanJson = { spans: SpanJson[]; blend_frames: number };
type TimelineJson = { num_frames: number; trim: { start_frame: number; end_frame: number }; plan: PlanJson };
type BackdropJson = {
  num_frames: number;
  peaks: string; // bytes in base64
  silent: [start: number, end: number][];
  clipped: [start: number, end: number][];
  words: [text: string, start: number, end: number][];
  reference_frames: number | null;
  media: { selector: string; start_frame: number }[];
  warnings: string[];
};
type Backdrop = Omit<BackdropJson, "peaks"> & { peaks: Uint8Array };

/** Frames, the end exclusive; `leaf` is the row that it lies in. */
type Span = { id: number; leaf: string; start: number; end: number; mode: string; group: { part: string } | null };
type Edge = "start" | "end";
type Edit = { spans: Span[]; blendFrames: number; trimStart: number; trimEnd: number };

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
  trim: [start: number, end: number];
  paints?: number; // id of the span that comes to be
};
type Snap = { frame: number; isEdge: boolean };

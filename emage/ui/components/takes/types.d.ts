declare const SETTINGS: SharedSettings & { longest: number; most: number; parts: string[] };
declare const props: {
  label: string;
  value: TakeRow[] | null;
  facts: Record<string, string>;
  looks: Record<string, TakeLook>;
};

type TakeRow = { number: number; caption: string; chosen: boolean };

/** A drawing of a take in a height of 100, y down and x from the middle, and its plan. */
type TakeLook = {
  limbs: [part: number, x: number, y: number, toX: number, toY: number][]; // the last is the head's
  states: number[]; // of the parts in the drawing: generated, followed, locked
  num_frames: number;
  spans: SpanJson[];
};

declare const SETTINGS: SharedSettings & { parts: string[] };
declare const props: { label: string; value: PlotsValue | null; players: string[] };

/** As Python sends it: numbers are texts with spaces between them. */
type CurveJson = { num_frames: number; frames_per_column: number; mean: string; low?: string; high?: string };
type TakeJson = {
  caption: string;
  color: string;
  hand_speed: CurveJson;
  jaw: CurveJson;
  mean_hand_speed: number;
  mean_jaw: number;
  spans: SpanJson[];
};
type PlotsValue = { takes: TakeJson[]; loudness: CurveJson | null; onsets_s: string; shares: SharesJson | null };

/** The least, mean and greatest value of columns of `step` frames. */
type Curve = { frames: number; step: number; low: number[]; mean: number[]; high: number[] };
type Take = TakeJson & { hands: Curve; jawOpen: Curve };
type Value = { low: number; mean: number; high: number };

/** `words` is JSON: Heard[]; of `num_words` the first. */
type SharesJson = { caption: string; num_words: number; words: string };
/** Shares of content for face and body, 0 to 1; the rest is rhythm. */
type Heard = [text: string, start_s: number, end_s: number, face: number, body: number];

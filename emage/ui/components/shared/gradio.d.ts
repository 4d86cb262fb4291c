// What Gradio gives a component's JavaScript, and what Python gives that of all components.

declare const element: HTMLElement;
declare function trigger(event: string, data?: object): void;
declare function watch(names: string[], callback: () => void): void;

type SpanJson = { part: string; start_frame: number; end_frame: number; mode: string };

type SharedSettings = {
  fps: number;
  follow: string;
  lock: string;
  labels: Record<string, [full: string, short: string]>;
  locked: number; // of the states that parts are in
  stateColors: string[]; // of parts that are generated, followed, locked
};

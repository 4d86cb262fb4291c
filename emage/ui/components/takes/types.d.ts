declare const SETTINGS: SharedSettings & { longest: number };
declare const props: { label: string; value: TakeRow[] | null; facts: Record<string, string> };

type TakeRow = { number: number; caption: string; chosen: boolean };

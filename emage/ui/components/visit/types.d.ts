declare const SETTINGS: { stored: string; panels: string; path: string; everyMs: number };
declare const props: { label: string; value: string | null; session: string; saved: number[] };
interface Window {
  gradio_config?: { root?: string };
}

import type { Frame } from "./following";
import type { Event } from "./schema";

/** A run as far as its frames have told. */
export interface LiveRun {
  events: Event[];
  /** By step: the words of its highest attempt so far. */
  texts: Record<string, { attempt: number; text: string }>;
  /** By step: the latest attempt that failed, and of what. History tells of it only when the step is over. */
  failures: Record<string, { attempt: number; error: string }>;
  lastId: string | undefined;
}

export const NOTHING_YET: LiveRun = { events: [], texts: {}, failures: {}, lastId: undefined };

/** The run after one more frame. Words of a higher attempt replace those of the lower; late words of a lower are dropped. */
export function afterFrame(run: LiveRun, frame: Frame): LiveRun {
  const next = { ...run, lastId: frame.id };
  if (frame.type === "execution_update") return { ...next, events: [...run.events, frame.data] };
  const { node_id, attempt } = frame.data;
  if (frame.type === "attempt_failed") {
    return { ...next, failures: { ...run.failures, [node_id]: { attempt, error: frame.data.error } } };
  }
  const shown = run.texts[node_id];
  if (shown && frame.type === "token" && attempt < shown.attempt) return next;
  const begins = frame.type === "step_started" || shown?.attempt !== attempt;
  const text = (begins ? "" : shown.text) + (frame.type === "token" ? frame.data.text : "");
  return { ...next, texts: { ...run.texts, [node_id]: { attempt, text } } };
}

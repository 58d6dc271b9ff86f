import type { Send } from "./authorizing";
import type { Event } from "./schema";
import { followStream, type FollowOptions } from "./streams";

/** What a run's stream tells; docs/streaming.md says when each comes. `id` goes on behind the frame. */
export type Frame = { id: string } & (
  | { type: "execution_update"; data: Event }
  | { type: "step_started"; data: { node_id: string; attempt: number; run_id: string } }
  | { type: "token"; data: { node_id: string; attempt: number; index: number; text: string } }
  | { type: "attempt_failed"; data: { node_id: string; attempt: number; error: string } }
);

/** Every frame of a run once, in order, to the last event of the run; see `followStream`. */
export function followExecution(send: Send, baseUrl: string, id: string, options: FollowOptions = {}) {
  const url = `${baseUrl}/api/agent-builder/executions/${encodeURIComponent(id)}/stream`;
  return followStream({ send, url, isLast: (frame) => frame.endsWith("-end"), ...options }) as AsyncGenerator<Frame>;
}

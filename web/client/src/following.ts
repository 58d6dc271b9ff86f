import { EventSourceParserStream } from "eventsource-parser/stream";

import { ApiError, problemOf } from "./problem";
import type { Event } from "./schema";

/** What a run's stream tells; docs/streaming.md says when each comes. `id` goes on behind the frame. */
export type Frame = { id: string } & (
  | { type: "execution_update"; data: Event }
  | { type: "step_started"; data: { node_id: string; attempt: number; run_id: string } }
  | { type: "token"; data: { node_id: string; attempt: number; index: number; text: string } }
  | { type: "attempt_failed"; data: { node_id: string; attempt: number; error: string } }
);

export interface FollowOptions {
  /** The id of the last frame that is known already. */
  after?: string;
  signal?: AbortSignal;
}

export interface Source {
  send: (request: Request) => Promise<Response>;
  authorized: () => Record<string, string>;
  baseUrl: string;
  id: string;
}

/** Milliseconds before a lost connection is made again; doubled up to the second while it cannot be made. */
const PAUSES = { first: 500, longest: 15_000 };
const AGAIN = new Set([502, 503, 504]);

/**
 * Every frame of a run once, in order, to the last event of the run. A lost connection is made again where it was.
 * Ends early when `signal` is aborted. Throws `ApiError` where the API refuses: 400, 401, 404.
 */
export async function* followExecution(source: Source, { after, signal }: FollowOptions = {}): AsyncGenerator<Frame> {
  let last = after;
  let pause = PAUSES.first;
  while (!signal?.aborted) {
    const response = await connect(source, last, signal);
    if (response?.status === 204) return;
    if (response?.body) {
      for await (const frame of framesOf(response.body, signal)) {
        last = frame.id;
        pause = PAUSES.first;
        yield frame;
      }
    }
    // Whether that was the end, the answer to the last id tells: 204.
    if (last?.endsWith("-end")) return;
    await rest(pause, signal);
    pause = Math.min(pause * 2, PAUSES.longest);
  }
}

/** The stream; undefined when the server is away and may come back. */
async function connect({ send, authorized, baseUrl, id }: Source, last?: string, signal?: AbortSignal) {
  const headers = { Accept: "text/event-stream", ...authorized(), ...(last ? { "Last-Event-ID": last } : {}) };
  const url = `${baseUrl}/api/agent-builder/executions/${encodeURIComponent(id)}/stream`;
  let response: Response;
  try {
    response = await send(new Request(url, { headers, signal: signal ?? null, cache: "no-store" }));
  } catch (error) {
    // fetch throws a TypeError for every failure of the network, and a DOMException when it is aborted.
    if (error instanceof TypeError || signal?.aborted) return undefined;
    throw error;
  }
  if (response.ok) return response;
  if (AGAIN.has(response.status)) {
    await response.body?.cancel();
    return undefined;
  }
  const body: unknown = await response.json().catch(() => undefined);
  throw new ApiError(response.status, problemOf(response.status, body));
}

async function* framesOf(body: ReadableStream<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Frame> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .pipeThrough(new EventSourceParserStream())
    .getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      // `error` of one who was too slow has no id: the connection ends after it, and is made again.
      if (value.id && value.event) yield { id: value.id, type: value.event, data: JSON.parse(value.data) } as Frame;
    }
  } catch (error) {
    // The connection broke, or the reader left.
    if (!(error instanceof TypeError) && !signal?.aborted) throw error;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function rest(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

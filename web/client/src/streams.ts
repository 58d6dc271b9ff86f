/** Server-sent events by `fetch`: an `EventSource` sends no headers, so the token would stand in the address. */

import { EventSourceParserStream } from "eventsource-parser/stream";

import type { Send } from "./authorizing";
import { ApiError, problemOf } from "./problem";

export interface FollowOptions {
  /** The id of the last frame that is known already. */
  after?: string;
  signal?: AbortSignal;
}

export interface RawFrame {
  id: string;
  type: string;
  data: unknown;
}

interface Source extends FollowOptions {
  send: Send;
  url: string;
  /** Whether this is the id of a stream's last frame. */
  isLast: (id: string) => boolean;
}

/** Milliseconds before a lost connection is made again; doubled up to the second while it cannot be made. */
const PAUSES = { first: 500, longest: 15_000 };
const AGAIN = new Set([502, 503, 504]);

/**
 * Every frame of a stream once, in order, to the last one. A lost connection is made again where it was.
 * Ends early when `signal` is aborted. Throws `ApiError` where the API refuses: 400, 401, 404.
 */
export async function* followStream({ send, url, isLast, after, signal }: Source): AsyncGenerator<RawFrame> {
  let last = after;
  let pause = PAUSES.first;
  while (!signal?.aborted) {
    const response = await connect(send, url, last, signal);
    if (response?.status === 204) return;
    if (response?.body) {
      for await (const frame of framesOf(response.body, last ?? "", signal)) {
        last = frame.id;
        pause = PAUSES.first;
        yield frame;
      }
    }
    if (last !== undefined && isLast(last)) return;
    await rest(pause, signal);
    pause = Math.min(pause * 2, PAUSES.longest);
  }
}

/** The stream; undefined when the server is away and may come back. */
async function connect(send: Send, url: string, last?: string, signal?: AbortSignal) {
  const headers = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) };
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

async function* framesOf(body: ReadableStream<Uint8Array>, after: string, signal?: AbortSignal): AsyncGenerator<RawFrame> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .pipeThrough(new EventSourceParserStream())
    .getReader();
  let id = after;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (!value.event) continue;
      // `error` of one who was too slow has no id: the connection ends after it, and is made again.
      if (value.id === undefined && value.event === "error") continue;
      // What else has none belongs to the frame after it: who loses the connection between them gets both again.
      id = value.id ?? id;
      yield { id, type: value.event, data: JSON.parse(value.data) };
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

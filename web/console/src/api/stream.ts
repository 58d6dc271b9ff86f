import { request } from "./client";

export interface Frame {
  type: string;
  data: unknown;
}

const AGAIN_MS = 1000;
const NO_CONTENT = 204;

/**
 * Follow an execution by server-sent events until its last frame. Read by `fetch`, because an `EventSource` would put
 * the token into the address. A broken connection goes on behind the last frame.
 */
export async function follow(id: string, take: (frame: Frame) => void, signal: AbortSignal): Promise<void> {
  let last = "";
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = last ? { "Last-Event-ID": last } : {};
      const response = await request(`/api/agent-builder/executions/${id}/stream`, { headers, signal });
      if (response.status === NO_CONTENT || !response.body) return;
      for await (const block of blocks(response.body)) {
        const frame = parse(block);
        if (frame.id) last = frame.id;
        if (frame.data === "") continue;
        const data: unknown = JSON.parse(frame.data);
        take({ type: frame.type, data });
      }
    } catch (error) {
      // What the server refuses, it refuses again; a lost connection comes back.
      if (signal.aborted) return;
      if (!(error instanceof TypeError)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function* blocks(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value.replaceAll("\r\n", "\n")).split("\n\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}

function parse(block: string): { type: string; id: string; data: string } {
  const frame = { type: "message", id: "", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === "event") frame.type = value ?? "";
    if (name === "id") frame.id = value ?? "";
    if (name === "data") frame.data += value ?? "";
  }
  return frame;
}

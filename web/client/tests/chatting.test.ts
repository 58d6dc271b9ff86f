import { afterEach, expect, test } from "vitest";

import { afterChatFrame, createPerdureClient, newId, TURN_NOT_BEGUN, type ChatFrame, type ChatSource } from "../src/index";
import { json, serve } from "./server";

let server: Awaited<ReturnType<typeof serve>> | undefined;
afterEach(() => server?.close());

const SOURCE = { document_name: "ships.md", chunk_index: 0, score: 0.8, number: 1 } as ChatSource;
const token = (node_id: string, text: string): ChatFrame => ({ id: "x", type: "token", data: { node_id, attempt: 1, index: 0, text } });
const told = (...frames: ChatFrame[]) => frames.reduce(afterChatFrame, TURN_NOT_BEGUN);

test("what a model says before it calls tools is not the answer, and a reset takes back what was shown", () => {
  const before = told(token("assistant", "Let me "), token("assistant", "look."));
  expect(before.text).toBe("Let me look.");
  const next = [token("assistant:2", "Sh"), { id: "y", type: "reset", data: { node_id: "assistant:2", attempt: 2 } }, token("assistant:2", "Ships")] as ChatFrame[];
  expect(next.reduce(afterChatFrame, before).text).toBe("Ships");
});

test("a tool stands once, with the arguments of its call and the end of its output", () => {
  const tool = (status: "called" | "returned", more: object) =>
    ({ id: "x", type: "tool", data: { step_id: "assistant/1-python", name: "python", status, ...more } }) as ChatFrame;
  const turn = told(tool("called", { arguments: { code: "1" }, is_error: null }), tool("returned", { arguments: null, is_error: false }));
  expect(turn.tools).toEqual([
    { step_id: "assistant/1-python", name: "python", status: "returned", arguments: { code: "1" }, is_error: false },
  ]);
});

const frame = (id: string | undefined, type: string, data: object) =>
  `event: ${type}\ndata: ${JSON.stringify(data)}\n${id ? `id: ${id}\n` : ""}\n`;

test("a turn is started without its words in an address and read to its end through broken connections", async () => {
  server = await serve((request, response) => {
    if (request.method === "POST") return json(response, 200, { id: "e" });
    const last = request.headers["last-event-id"];
    response.writeHead(200, { "content-type": "text/event-stream" });
    if (last === undefined) {
      response.write(frame("e:start", "start", { session_id: "s", execution_id: "e" }));
      response.write(frame("e:0", "sources", { sources: [SOURCE] }));
      response.write(frame("e:1.1", "token", { node_id: "assistant", attempt: 1, index: 0, text: "Shi" }), () => response.destroy());
    } else if (last === "e:1.1") response.end(frame(undefined, "error", { code: "too_slow", message: "" }));
    else response.end();
    return undefined;
  });
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => "t" });
  const { id } = await client.chatAPI.sendMessage("f", { message: "Why?", session_id: "s" }, "key");
  expect(server.asked[0]).toMatchObject({ body: '{"input_data":{"message":"Why?","session_id":"s"}}' });
  expect(server.asked[0]?.headers["idempotency-key"]).toBe("key");
  const frames: ChatFrame[] = [];
  const leaving = new AbortController();
  for await (const each of client.watchTurn("f", id, { signal: leaving.signal })) {
    frames.push(each);
    if (each.type === "token") setTimeout(() => leaving.abort(), 1_200);
  }
  expect(frames.map(({ type }) => type)).toEqual(["start", "sources", "token"]);
  expect(server.asked.slice(1).map(({ url }) => url)).toEqual(
    Array(server.asked.length - 1).fill("/api/agent-builder/chatflow/workflows/f/chat/stream?execution_id=e"),
  );
  expect(server.asked[2]?.headers["last-event-id"]).toBe("e:1.1");
});

test("a turn that has ended is read with its answer and sources", async () => {
  server = await serve((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(frame("e:start", "start", { session_id: "s", execution_id: "e" }));
    response.write(frame(undefined, "reset", { node_id: "assistant", attempt: 1 }));
    response.end(frame("e:end", "end", { success: true, response: "Ships float.", sources: [SOURCE] }));
  });
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => "t" });
  const turn = await client.readTurn("f", "e");
  expect(turn).toMatchObject({ text: "Ships float.", sources: [SOURCE], executionId: "e", sessionId: "s" });
  expect(server.asked).toHaveLength(1);
});

test("ids are UUIDs of version 4, each another", () => {
  const ids = Array.from({ length: 100 }, newId);
  expect(new Set(ids).size).toBe(100);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

// @vitest-environment jsdom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ReactNode } from "react";
import { afterEach, expect, test } from "vitest";

import { createPerdureClient } from "../src/index";
import { PerdureProvider, useChat, useEndedTurn } from "../src/react/index";
import { json, serve } from "./server";

let server: Awaited<ReturnType<typeof serve>> | undefined;
afterEach(async () => {
  cleanup();
  await server?.close();
});

const RUN = { id: "e", status: "running", input_data: { message: "Why?", session_id: "s" } };
const frame = (id: string, type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify(data)}\nid: ${id}\n\n`;

/** An API with one conversation: what has been said in it, what is under way, and a stream that the test ends. */
async function conversation({ isUnderWay }: { isUnderWay: boolean }) {
  const said: object[] = [];
  let streams: ServerResponse[] = [];
  const refused: IncomingMessage[] = [];
  server = await serve((request, response) => {
    const url = request.url ?? "";
    if (request.method === "POST" && url.endsWith("/execute")) {
      // The first attempt is lost on its way back.
      if (refused.length === 0) refused.push(request), response.destroy();
      else json(response, 200, RUN);
    } else if (url.includes("/history")) {
      if (said.length > 0) json(response, 200, { session_id: "s", messages: said, total: said.length });
      else json(response, 404, { status: 404, detail: "No such session." });
    } else if (url.includes("/executions?")) json(response, 200, { executions: isUnderWay ? [RUN] : [], total: 1 });
    else {
      streams.push(response);
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(frame("e:start", "start", { session_id: "s", execution_id: "e" }));
      response.write(frame("e:1.1", "token", { node_id: "assistant", attempt: 1, index: 0, text: "Ships" }));
    }
  });
  const end = (type: "end" | "error", data: object) => {
    if (type === "end") {
      said.push({ sequence: 1, role: "user", content: "Why?", execution_id: "e", interrupted: false });
      said.push({ sequence: 2, role: "assistant", content: "Ships float.", execution_id: "e", interrupted: false });
    }
    for (const stream of streams) stream.end(frame("e:end", type, data));
    streams = [];
  };
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => "t" });
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false }, mutations: { retryDelay: 10 } } });
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={queries}>
      <PerdureProvider value={client}>{children}</PerdureProvider>
    </QueryClientProvider>
  );
  return { end, wrapper };
}

test("a message is sent again under its key when the connection is lost, its answer told and then recorded", async () => {
  const { end, wrapper } = await conversation({ isUnderWay: false });
  const { result } = renderHook(() => ({ chat: useChat("f", "s"), ended: useEndedTurn("f", "e", false) }), { wrapper });
  await waitFor(() => expect(result.current.chat.history).toMatchObject({ messages: [], total: 0 }));
  act(() => result.current.chat.send("Why?"));
  await waitFor(() => expect(result.current.chat).toMatchObject({ message: "Why?", isAnswering: true }));
  await waitFor(() => expect(result.current.chat.turn.text).toBe("Ships"));
  const keys = server?.asked.filter(({ method }) => method === "POST").map(({ headers }) => headers["idempotency-key"]);
  expect(keys).toHaveLength(2);
  expect(keys?.[0]).toBe(keys?.[1]);
  act(() => end("end", { success: true, response: "Ships float.", sources: [{ number: 1, document_name: "ships.md" }] }));
  await waitFor(() => expect(result.current.chat.history?.total).toBe(2));
  // It stands in the history now, and nowhere else; what it drew on is not asked for again.
  expect(result.current.chat).toMatchObject({ message: undefined, isAnswering: false });
  expect(result.current.ended.data?.sources).toMatchObject([{ document_name: "ships.md" }]);
});

test("a turn that is under way when the conversation is opened goes on, and its failure stays to be read", async () => {
  const { end, wrapper } = await conversation({ isUnderWay: true });
  const { result } = renderHook(() => useChat("f", "s"), { wrapper });
  await waitFor(() => expect(result.current.turn.text).toBe("Ships"));
  expect(result.current).toMatchObject({ message: "Why?", executionId: "e", isAnswering: true });
  act(() => end("error", { code: "failed", message: "The model is away.", session_id: "s", execution_id: "e" }));
  await waitFor(() => expect(result.current.isAnswering).toBe(false));
  expect(result.current).toMatchObject({ message: "Why?", turn: { text: "Ships", failure: { message: "The model is away." } } });
});

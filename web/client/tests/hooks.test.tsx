// @vitest-environment jsdom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, expect, test } from "vitest";

import { createPerdureClient } from "../src/index";
import {
  PerdureProvider,
  useExecuteFlow,
  useExecutions,
  useExecutionStream,
  useFlow,
  useFlowExecutions,
  useFlows,
  useOptimisticUpdateFlow,
  usePrefetchFlow,
} from "../src/react/index";
import { json, serve } from "./server";

let server: Awaited<ReturnType<typeof serve>> | undefined;
afterEach(async () => {
  cleanup();
  await server?.close();
});

function around(baseUrl: string) {
  // The requests of a page of the API's own origin: what jsdom's fetch does not have is Node's.
  const client = createPerdureClient({ baseUrl, token: () => "t" });
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={queries}>
      <PerdureProvider value={client}>{children}</PerdureProvider>
    </QueryClientProvider>
  );
}

test("an edit shows at once, is sent with the ETag of what is shown, and is taken back at 412", async () => {
  let refuse = () => {};
  server = await serve((request, response) => {
    if (request.method === "PUT") refuse = () => json(response, 412, { status: 412, detail: "It has changed." });
    else json(response, 200, { id: "f", name: "Writers" }, { etag: '"7"' });
  });
  const { result } = renderHook(() => ({ flow: useFlow("f"), update: useOptimisticUpdateFlow() }), {
    wrapper: around(server.baseUrl),
  });
  await waitFor(() => expect(result.current.flow.data?.name).toBe("Writers"));
  act(() => result.current.update.mutate({ id: "f", changes: { name: "Poets" } }));
  await waitFor(() => expect(result.current.flow.data?.name).toBe("Poets"));
  const put = await waitFor(() => {
    const found = server?.asked.find(({ method }) => method === "PUT");
    expect(found).toBeDefined();
    return found;
  });
  expect(put?.headers["if-match"]).toBe('"7"');
  refuse();
  await waitFor(() => expect(result.current.update.error).toMatchObject({ status: 412 }));
  await waitFor(() => expect(result.current.flow.data?.name).toBe("Writers"));
});

test("two readers of one list, and a flow that was fetched before, ask once", async () => {
  server = await serve((_request, response) => json(response, 200, { id: "f", name: "Writers", flows: [] }));
  const wrapper = around(server.baseUrl);
  const { result } = renderHook(() => ({ a: useFlows(), b: useFlows(), prefetch: usePrefetchFlow() }), { wrapper });
  await waitFor(() => expect(result.current.b.isSuccess).toBe(true));
  await act(() => result.current.prefetch("f"));
  const opened = renderHook(() => useFlow("f"), { wrapper });
  expect(opened.result.current.data?.name).toBe("Writers");
  expect(server.asked.map(({ url }) => url)).toEqual(["/api/agent-builder/flows", "/api/agent-builder/flows/f"]);
});

test("a flow that a list has just shown is not asked for, and an edit of it names the version that was shown", async () => {
  server = await serve((request, response) =>
    request.method === "PUT"
      ? json(response, 200, { id: "f", name: "Poets", version: 8 }, { etag: '"8-x"' })
      : json(response, 200, { flows: [{ id: "f", name: "Writers", version: 7 }] }),
  );
  const wrapper = around(server.baseUrl);
  const list = renderHook(() => useFlows(), { wrapper });
  await waitFor(() => expect(list.result.current.isSuccess).toBe(true));
  list.unmount();
  const { result } = renderHook(() => ({ flow: useFlow("f"), update: useOptimisticUpdateFlow() }), { wrapper });
  expect(result.current.flow.data?.name).toBe("Writers");
  await act(() => result.current.update.mutateAsync({ id: "f", changes: { name: "Poets" } }));
  await act(() => result.current.update.mutateAsync({ id: "f", changes: { name: "Bards" } }));
  // What an update answers is kept: nothing is read between the two, and the second is made to what the first left.
  expect(server.asked.map(({ method, headers }) => [method, headers["if-match"]])).toEqual([
    ["GET", undefined],
    ["PUT", '"7"'],
    ["PUT", '"8-x"'],
  ]);
});

test("a started run heads the kept lists that it belongs on, and is not asked for", async () => {
  const page = { executions: [{ id: "old", flow_id: "f" }], total: 4 };
  server = await serve((request, response) =>
    json(response, 200, request.method === "POST" ? { id: "new", flow_id: "f", status: "pending" } : page),
  );
  const { result } = renderHook(
    () => ({
      own: useFlowExecutions("f", { limit: 1 }),
      all: useExecutions({}, false),
      failed: useExecutions({ status: "failed" }, false),
      others: useFlowExecutions("g"),
      run: useExecuteFlow(),
    }),
    { wrapper: around(server.baseUrl) },
  );
  await waitFor(() => expect(result.current.others.isSuccess && result.current.failed.isSuccess).toBe(true));
  await act(() => result.current.run.mutateAsync({ id: "f", inputData: {} }));
  const { own, all, failed, others } = result.current;
  expect([own, all, failed, others].map(({ data }) => data?.executions.map(({ id }) => id))).toEqual([["new"], ["new"], ["old"], ["old"]]);
  expect(own.data?.total).toBe(5);
  const asked = server.asked.map(({ url }) => url.replace("/api/agent-builder/", ""));
  // Where it cannot be told here whether it belongs there, it is asked for.
  expect(asked.slice(asked.indexOf("flows/f/execute") + 1).sort()).toEqual(["executions?status=failed"]);
});

test("a stream gathers events and words and says when it is over", async () => {
  server = await serve((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`event: token\ndata: {"node_id":"a","attempt":1,"index":0,"text":"Ships"}\nid: 2_1\n\n`);
    response.end(`event: execution_update\ndata: {"event_type":"ExecutionCompleted","version":3}\nid: 3-end\n\n`);
  });
  const { result } = renderHook(() => useExecutionStream("e"), { wrapper: around(server.baseUrl) });
  await waitFor(() => expect(result.current.isOver).toBe(true));
  expect(result.current.texts["a"]?.text).toBe("Ships");
  expect(result.current.events.map(({ event_type }) => event_type)).toEqual(["ExecutionCompleted"]);
});

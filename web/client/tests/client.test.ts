import { afterEach, expect, test } from "vitest";

import { afterFrame, ApiError, createPerdureClient, NOTHING_YET, type Frame } from "../src/index";
import { json, serve } from "./server";

let server: Awaited<ReturnType<typeof serve>> | undefined;
afterEach(() => server?.close());

test("an unchanged list costs a 304 and is the same; another user gets an answer of their own", async () => {
  server = await serve((request, response) => {
    if (request.headers["if-none-match"] === '"1"') response.writeHead(304, { etag: '"1"' }).end();
    else json(response, 200, { flows: [], total: 0, page: 1, page_size: 20 }, { etag: '"1"' });
  });
  let token = "ada";
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => token });
  const first = await client.flowsAPI.getFlows({ tags: ["a", "b"] });
  expect(await client.flowsAPI.getFlows({ tags: ["a", "b"] })).toEqual(first);
  token = "grace";
  await client.flowsAPI.getFlows({ tags: ["a", "b"] });
  expect(server.asked.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, '"1"', undefined]);
  expect(server.asked.map(({ headers }) => headers.authorization)).toEqual(["Bearer ada", "Bearer ada", "Bearer grace"]);
  expect(server.asked[0]?.url).toBe("/api/agent-builder/flows?tags=a&tags=b");
});

test("a refusal is an ApiError with the API's own sentence", async () => {
  server = await serve((_request, response) => json(response, 409, { title: "Conflict", detail: "It has ended.", status: 409 }));
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => undefined });
  const refused = await client.flowsAPI.cancelExecution("e").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ApiError);
  expect(refused).toMatchObject({ status: 409, message: "It has ended." });
});

test("a proxy's page instead of a problem is an ApiError too", async () => {
  server = await serve((_request, response) => response.writeHead(502, { "content-type": "text/html" }).end("<p>no</p>"));
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => undefined });
  await expect(client.flowsAPI.getFlow("f")).rejects.toMatchObject({ status: 502, message: "The server answered 502." });
});

test("a login is sent as a form", async () => {
  server = await serve((_request, response) => json(response, 200, { access_token: "t" }));
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => undefined });
  await client.authAPI.login("ada@example.org", "p&w");
  expect(server.asked[0]?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  expect(server.asked[0]?.body).toBe("username=ada%40example.org&password=p%26w");
});

const frame = (id: string, type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify(data)}\nid: ${id}\n\n`;

test("a stream that breaks goes on behind its last frame and ends at 204", async () => {
  server = await serve((request, response) => {
    const last = request.headers["last-event-id"];
    if (last === "3") return void response.writeHead(204).end();
    response.writeHead(200, { "content-type": "text/event-stream" });
    if (last === undefined) {
      response.write(frame("2", "step_started", { node_id: "a", attempt: 1, run_id: "r" }), () => response.destroy());
    } else response.end(frame("3", "token", { node_id: "a", attempt: 1, index: 0, text: "Ships" }));
  });
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => "t" });
  const ids: string[] = [];
  for await (const { id } of client.watchExecution("e")) ids.push(id);
  expect(ids).toEqual(["2", "3"]);
  expect(server.asked.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "2", "3"]);
  expect(server.asked.every(({ url, headers }) => !url.includes("token") && headers.authorization === "Bearer t")).toBe(true);
});

test("a stream of somebody else's run is refused at once", async () => {
  server = await serve((_request, response) => json(response, 404, { status: 404, detail: "No such execution." }));
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => "t" });
  await expect(client.watchExecution("e").next()).rejects.toMatchObject({ status: 404, message: "No such execution." });
  expect(server.asked).toHaveLength(1);
});

test("words of a higher attempt replace those of the lower, late words of the lower are dropped", () => {
  const token = (attempt: number, text: string): Frame => ({
    id: "x",
    type: "token",
    data: { node_id: "a", attempt, index: 0, text },
  });
  const begun: Frame = { id: "y", type: "step_started", data: { node_id: "a", attempt: 2, run_id: "r" } };
  const run = [token(1, "Shi"), token(1, "ps"), begun, token(1, "late"), token(2, "Boats")].reduce(afterFrame, NOTHING_YET);
  expect(run.texts).toEqual({ a: { attempt: 2, text: "Boats" } });
});

// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";

import { createPerdureClient, type Sent } from "../src/index";
import { json, serve } from "./server";

let server: Awaited<ReturnType<typeof serve>> | undefined;
afterEach(() => server?.close());

const CORS = { "access-control-allow-origin": "*", "access-control-allow-headers": "*", "access-control-allow-methods": "*" };

test("an upload tells how far it is, carries the token, and gives the document", async () => {
  server = await serve((request, response) => {
    if (request.method === "OPTIONS") response.writeHead(200, CORS).end();
    else json(response, 200, { id: "d", status: "pending" }, CORS);
  });
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => "t" });
  const sent: Sent[] = [];
  const file = new File(["x".repeat(300_000)], "ships.txt", { type: "text/plain" });
  const document = await client.knowledgeAPI.addDocument("kb", file, { onSent: (now) => sent.push(now) });
  expect(document).toMatchObject({ id: "d", status: "pending" });
  // jsdom counts no bytes; those of a browser are looked at in tests/browser.
  expect(sent).not.toHaveLength(0);
  const asked = server.asked.find(({ method }) => method === "POST");
  expect(asked?.url).toBe("/api/agent-builder/knowledgebases/kb/documents");
  expect(asked?.headers.authorization).toBe("Bearer t");
  expect(asked?.headers["content-type"]).toMatch(/^multipart\/form-data; boundary=/);
  expect(asked?.body).toContain('name="file"; filename="ships.txt"');
});

test("a refused upload is an ApiError with the API's own sentence", async () => {
  server = await serve((request, response) => {
    if (request.method === "OPTIONS") response.writeHead(200, CORS).end();
    else json(response, 415, { status: 415, detail: "Send a PDF." }, CORS);
  });
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => "t" });
  const upload = client.knowledgeAPI.addDocument("kb", new File(["x"], "x.exe"), { onSent: () => {} });
  await expect(upload).rejects.toMatchObject({ status: 415, message: "Send a PDF." });
});

test("an upload that is called off is no answer", async () => {
  const leaving = new AbortController();
  server = await serve((request, response) => {
    if (request.method === "OPTIONS") response.writeHead(200, CORS).end();
    else leaving.abort();
  });
  const client = createPerdureClient({ baseUrl: server.baseUrl, token: () => "t" });
  const upload = client.knowledgeAPI.addDocument("kb", new File(["x"], "x.txt"), {
    onSent: () => {},
    signal: leaving.signal,
  });
  await expect(upload).rejects.toMatchObject({ name: "AbortError" });
});

import { afterEach, expect, test, vi } from "vitest";

import { createPerdureClient } from "../src/index";
import { json, serve } from "./server";

let server: Awaited<ReturnType<typeof serve>> | undefined;
afterEach(() => server?.close());

/** An API that takes the token `fresh` alone, and gives it for the refresh token `r1`. */
async function client(tokens: { access?: string; refresh?: string }) {
  server = await serve((request, response, body) => {
    if (request.url === "/api/auth/refresh") {
      const isKnown = (JSON.parse(body) as { refresh_token: string }).refresh_token === "r1";
      if (isKnown) json(response, 200, { access_token: "fresh", refresh_token: "r2", token_type: "bearer", expires_in: 3600 });
      else json(response, 401, { status: 401 });
    } else if (request.headers.authorization === "Bearer fresh") json(response, 200, { got: body });
    else json(response, 401, { status: 401, detail: "Log in." });
  });
  const onUnauthorized = vi.fn();
  const made = createPerdureClient({
    baseUrl: server.baseUrl,
    token: () => tokens.access,
    renewal: {
      token: () => tokens.refresh,
      keep: ({ access_token, refresh_token }) => Object.assign(tokens, { access: access_token, refresh: refresh_token }),
    },
    onUnauthorized,
  });
  return { made, onUnauthorized };
}

const sentTokens = () => server?.asked.map(({ headers }) => headers.authorization);
const renewals = () => server?.asked.filter(({ url }) => url === "/api/auth/refresh").length;

test("calls whose token has run out share one renewal and are repeated with their bodies", async () => {
  const tokens = { access: "old", refresh: "r1" };
  const { made, onUnauthorized } = await client(tokens);
  const [flow] = await Promise.all([made.flowsAPI.createAgentflow({ name: "Writers" }), made.flowsAPI.getFlow("f")]);
  expect(flow).toEqual({ got: '{"name":"Writers"}' });
  expect(renewals()).toBe(1);
  expect(tokens).toEqual({ access: "fresh", refresh: "r2" });
  expect(onUnauthorized).not.toHaveBeenCalled();
});

test("where the refresh token has run out too, the refusal is told and the login asked for", async () => {
  const { made, onUnauthorized } = await client({ access: "old", refresh: "r0" });
  await expect(made.flowsAPI.getFlow("f")).rejects.toMatchObject({ status: 401, message: "Log in." });
  expect(onUnauthorized).toHaveBeenCalledOnce();
});

test("without a refresh token there is no renewal, and a wrong password asks for no login", async () => {
  const { made, onUnauthorized } = await client({ access: "key" });
  await expect(made.authAPI.login("ada", "wrong")).rejects.toMatchObject({ status: 401 });
  expect(onUnauthorized).not.toHaveBeenCalled();
  await expect(made.flowsAPI.getFlow("f")).rejects.toMatchObject({ status: 401 });
  expect(onUnauthorized).toHaveBeenCalledOnce();
  expect(renewals()).toBe(0);
});

test("a stream that is opened with an old token goes on with a new one", async () => {
  const { made } = await client({ access: "old", refresh: "r1" });
  for await (const _ of made.watchExecution("e", { after: "7-end" }));
  expect(sentTokens()).toEqual(["Bearer old", undefined, "Bearer fresh"]);
});

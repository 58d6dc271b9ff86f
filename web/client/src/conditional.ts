/** Conditional requests: answers are kept with their ETag, and asked for again with `If-None-Match`. */

import type { Send } from "./authorizing";

interface Kept {
  etag: string;
  body: string;
  contentType: string;
}

/** How many answers are kept; the one that was used longest ago goes first. */
const KEPT_ANSWERS = 200;

/**
 * A `fetch` that answers 304 from what it keeps, as the 200 that it stands for.
 *
 * Answers are kept by address and by token, so that nobody sees what another user was shown.
 * The caller's own `If-None-Match` and the cache of the browser are left out of it.
 */
export function conditionalFetch(send: Send, token: () => string | undefined): Send {
  const answers = new Map<string, Kept>();
  return async (request) => {
    if (request.method !== "GET" || request.headers.has("If-None-Match")) return send(request);
    const key = `${token() ?? ""} ${request.url}`;
    const kept = answers.get(key);
    const headers = new Headers(request.headers);
    if (kept) headers.set("If-None-Match", kept.etag);
    const response = await send(new Request(request, { headers, cache: "no-store" }));
    if (response.status === 304 && kept) {
      answers.delete(key);
      answers.set(key, kept);
      return new Response(kept.body, { status: 200, headers: { "content-type": kept.contentType, etag: kept.etag } });
    }
    const etag = response.headers.get("etag");
    if (!response.ok || !etag) return response;
    const body = await response.clone().text();
    answers.delete(key);
    answers.set(key, { etag, body, contentType: response.headers.get("content-type") ?? "application/json" });
    const oldest = answers.keys().next();
    if (answers.size > KEPT_ANSWERS && !oldest.done) answers.delete(oldest.value);
    return response;
  };
}

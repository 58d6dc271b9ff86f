import type { Send } from "./authorizing";

/** How much of a file has been sent. */
export interface Sent {
  loaded: number;
  total: number;
}

/**
 * A sender of one form that tells how far it is. `fetch` tells nothing of that, so it is done by XMLHttpRequest; where
 * there is none, as in Node, the form is sent by `plain`, and told of when it has gone.
 */
export function sendingForm(form: FormData, onSent: (sent: Sent) => void, plain: Send): Send {
  if (typeof XMLHttpRequest === "undefined") {
    return async (request) => {
      const response = await plain(request);
      onSent({ loaded: 1, total: 1 });
      return response;
    };
  }
  return (request) =>
    new Promise((resolve, reject) => {
      const call = new XMLHttpRequest();
      call.open(request.method, request.url);
      for (const [name, value] of request.headers) {
        // The boundary is the form's own.
        if (name !== "content-type") call.setRequestHeader(name, value);
      }
      call.upload.addEventListener("progress", ({ loaded, total }) => onSent({ loaded, total }));
      call.addEventListener("load", () => {
        const headers = { "content-type": call.getResponseHeader("content-type") ?? "application/json" };
        resolve(new Response(call.responseText, { status: call.status, statusText: call.statusText, headers }));
      });
      // As fetch rejects: a TypeError for the network, an AbortError for who has left.
      call.addEventListener("error", () => reject(new TypeError("The upload was interrupted.")));
      call.addEventListener("abort", () => reject(new DOMException("The upload was cancelled.", "AbortError")));
      request.signal.addEventListener("abort", () => call.abort(), { once: true });
      call.send(form);
    });
}

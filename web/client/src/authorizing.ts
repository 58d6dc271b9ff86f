/** Who calls: every request carries the token of now; where it has run out, a new one is fetched and the call repeated. */

import type { TokenPair } from "./schema";

export type Send = (request: Request) => Promise<Response>;

/** Where a pair of tokens is kept; a client without one goes on until its token has run out. */
export interface Renewal {
  /** The refresh token of now; undefined where there is none, such as beside an API key. */
  token: () => string | undefined;
  /** Keeps the new pair: from here on `token` of the client and of this give what is in it. */
  keep: (pair: TokenPair) => void;
}

export interface Caller {
  baseUrl: string;
  token: () => string | undefined;
  renewal?: Renewal;
  /** Called when the API does not know the caller, and no new token can be had. */
  onUnauthorized?: () => void;
  send: Send;
}

const UNAUTHORIZED = 401;
const OWN = ["/api/auth/login", "/api/auth/refresh"];

/**
 * A function that makes authorized senders out of plain ones. All of them share one exchange of the refresh token:
 * calls that are refused at the same time wait for the same new pair.
 */
export function authorizer({ baseUrl, token, renewal, onUnauthorized, send }: Caller): (by?: Send) => Send {
  let exchange: Promise<boolean> | undefined;

  async function renew(): Promise<boolean> {
    const refresh_token = renewal?.token();
    if (!renewal || !refresh_token) return false;
    const body = JSON.stringify({ refresh_token });
    const headers = { "Content-Type": "application/json" };
    const response = await send(new Request(`${baseUrl}/api/auth/refresh`, { method: "POST", headers, body }));
    if (response.ok) renewal.keep((await response.json()) as TokenPair);
    // The refresh token is refused with 401; anything else passes, and says nothing about who calls.
    else if (response.status !== UNAUTHORIZED) throw new TypeError(`The token could not be renewed: ${response.status}`);
    return response.ok;
  }

  return (by = send) =>
    async (request) => {
      const used = token();
      if (used === undefined || OWN.some((path) => new URL(request.url).pathname.endsWith(path))) return by(request);
      const again = request.clone();
      const response = await by(carrying(request, used));
      if (response.status !== UNAUTHORIZED) return response;
      // Another call may have got a new token while this one was on its way.
      const isNew = token() !== used || (await (exchange ??= renew().finally(() => (exchange = undefined))));
      const fresh = token();
      if (!isNew || fresh === undefined) {
        onUnauthorized?.();
        return response;
      }
      await response.body?.cancel();
      const second = await by(carrying(again, fresh));
      if (second.status === UNAUTHORIZED) onUnauthorized?.();
      return second;
    };
}

function carrying(request: Request, token: string): Request {
  request.headers.set("Authorization", `Bearer ${token}`);
  return request;
}

import createClient from "openapi-fetch";

import { callsOfChats } from "./calls/chats";
import { callsOfEvents } from "./calls/events";
import { callsOfExecutions } from "./calls/executions";
import { callsOfFlows } from "./calls/flows";
import { callsOfKnowledge } from "./calls/knowledge";
import { callsOfUsers } from "./calls/users";
import { conditionalFetch } from "./conditional";
import { followExecution, type FollowOptions } from "./following";
import type { paths } from "./schema";

export interface ClientOptions {
  /** Where the API is, such as `http://localhost:8000`; in a page that the API serves, `location.origin`. */
  baseUrl: string;
  /** The access token or API key of now, asked for at each call; undefined where nobody is logged in. */
  token: () => string | undefined;
  /** The `fetch` to call with; that of the platform when left out. */
  fetch?: (request: Request) => Promise<Response>;
}

export type Http = ReturnType<typeof createClient<paths>>;

/**
 * A client of one API. Calls take and give what docs/openapi.json says, throw `ApiError` on a refusal, and are not
 * repeated by themselves. An answer that has not changed since it was last asked for comes without a body.
 */
export function createPerdureClient({ baseUrl, token, fetch: given }: ClientOptions) {
  const send = given ?? ((request: Request) => globalThis.fetch(request));
  const authorized = (): Record<string, string> => {
    const now = token();
    return now ? { Authorization: `Bearer ${now}` } : {};
  };
  const http: Http = createClient<paths>({ baseUrl, fetch: conditionalFetch(send) });
  http.use({
    onRequest({ request }) {
      for (const [name, value] of Object.entries(authorized())) request.headers.set(name, value);
      return request;
    },
  });
  return {
    flowsAPI: { ...callsOfFlows(http), ...callsOfExecutions(http) },
    eventStoreAPI: callsOfEvents(http),
    chatAPI: callsOfChats(http),
    knowledgeAPI: callsOfKnowledge(http),
    authAPI: callsOfUsers(http),
    /** The frames of a run, as they come; see `followExecution`. */
    watchExecution: (id: string, options: FollowOptions = {}) =>
      followExecution({ send, authorized, baseUrl, id }, options),
  };
}

export type PerdureClient = ReturnType<typeof createPerdureClient>;

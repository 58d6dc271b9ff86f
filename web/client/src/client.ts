import createClient from "openapi-fetch";

import { authorizer, type Renewal, type Send } from "./authorizing";
import { callsOfAudit } from "./calls/audit";
import { callsOfApprovals } from "./calls/approvals";
import { callsOfChats } from "./calls/chats";
import { callsOfEvents } from "./calls/events";
import { callsOfExecutions } from "./calls/executions";
import { callsOfFlows } from "./calls/flows";
import { callsOfKnowledge } from "./calls/knowledge";
import { callsOfUsers } from "./calls/users";
import { callsOfVersions } from "./calls/versions";
import { followTurn, readTurn } from "./chatting";
import { conditionalFetch } from "./conditional";
import { followExecution } from "./following";
import type { paths } from "./schema";
import type { FollowOptions } from "./streams";

export interface ClientOptions {
  /** Where the API is, such as `http://localhost:8000`; in a page that the API serves, `location.origin`. */
  baseUrl: string;
  /** The access token or API key of now, asked for at each call; undefined where nobody is logged in. */
  token: () => string | undefined;
  /** How a new access token is had when that one has run out. */
  renewal?: Renewal;
  /** Called when the API does not know the caller (any more): the moment to ask for a login. */
  onUnauthorized?: () => void;
  /** The `fetch` to call with; that of the platform when left out. */
  fetch?: Send;
}

export type Http = ReturnType<typeof createClient<paths>>;

/**
 * A client of one API. Calls take and give what docs/openapi.json says, throw `ApiError` on a refusal, and are not
 * repeated by themselves but with a token that was renewed. An answer that has not changed since it was last asked for
 * comes without a body.
 */
export function createPerdureClient({ baseUrl, token, renewal, onUnauthorized, fetch: given }: ClientOptions) {
  const plain = given ?? ((request: Request) => globalThis.fetch(request));
  const authorized = authorizer({ baseUrl, token, renewal, onUnauthorized, send: plain });
  const send = authorized();
  const http: Http = createClient<paths>({ baseUrl, fetch: conditionalFetch(send, token) });
  return {
    flowsAPI: { ...callsOfFlows(http), ...callsOfVersions(http), ...callsOfExecutions(http) },
    eventStoreAPI: { ...callsOfEvents(http), ...callsOfAudit(http) },
    approvalsAPI: callsOfApprovals(http),
    chatAPI: callsOfChats(http),
    knowledgeAPI: callsOfKnowledge(http, authorized, plain),
    authAPI: callsOfUsers(http),
    /** The frames of a run, as they come; see `followStream`. */
    watchExecution: (id: string, options: FollowOptions = {}) => followExecution(send, baseUrl, id, options),
    /** The frames of a chat turn, as they come. A turn is started by `chatAPI.sendMessage`. */
    watchTurn: (flowId: string, executionId: string, options: FollowOptions = {}) =>
      followTurn(send, baseUrl, flowId, executionId, options),
    /** A turn as it ended, with its sources and tool calls; waits for one that is still going. */
    readTurn: (flowId: string, executionId: string, options: FollowOptions = {}) =>
      readTurn(followTurn(send, baseUrl, flowId, executionId, options)),
  };
}

export type PerdureClient = ReturnType<typeof createPerdureClient>;

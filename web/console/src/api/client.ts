import type { components } from "./schema";

type Schemas = components["schemas"];
export type AgentflowCreate = Pick<Schemas["AgentflowCreate"], "name"> & Partial<Schemas["AgentflowCreate"]>;
export type Execution = Schemas["Execution"];
export type ExecutionPage = Schemas["ExecutionPage"];
export type Event = Schemas["Event"];
export type Flow = Schemas["FlowPage"]["flows"][number];
export type FlowPage = Schemas["FlowPage"];
export type Problem = Schemas["Problem"];
export type TokenPair = Schemas["TokenPair"];

const TOKEN = "perdure.token";
const API = "/api/agent-builder";

/** An answer that is no 200; `problem` says what to do. */
export class ProblemError extends Error {
  constructor(readonly problem: Pick<Problem, "title" | "status" | "detail">) {
    super(problem.detail);
  }
}

/** The token lives as long as the tab, and never stands in an address. */
export const session = {
  get token(): string | null {
    return sessionStorage.getItem(TOKEN);
  },
  begin(token: string): void {
    sessionStorage.setItem(TOKEN, token);
  },
  end(): void {
    sessionStorage.removeItem(TOKEN);
    window.dispatchEvent(new window.Event("perdure:logout"));
  },
};

/** A call with the session's token; throws `ProblemError`. A 401 ends the session. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (session.token) headers.set("Authorization", `Bearer ${session.token}`);
  const response = await fetch(path, { ...init, headers });
  if (response.ok) return response;
  if (response.status === 401) session.end();
  throw new ProblemError(await problemOf(response));
}

async function problemOf(response: Response): Promise<Pick<Problem, "title" | "status" | "detail">> {
  if (response.headers.get("Content-Type")?.startsWith("application/problem+json")) return response.json();
  return { title: response.statusText, status: response.status, detail: `${response.url}: ${response.status}` };
}

async function get<T>(path: string, query: Record<string, string | number | undefined> = {}): Promise<T> {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") search.set(name, String(value));
  }
  return (await request(search.size ? `${path}?${search}` : path)).json();
}

async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

export const authAPI = {
  login: async (username: string, password: string): Promise<TokenPair> =>
    (await request("/api/auth/login", { method: "POST", body: new URLSearchParams({ username, password }) })).json(),
  me: () => get<Schemas["User"]>("/api/auth/me"),
};

export const flowsAPI = {
  getFlows: (query: { search?: string; flow_type?: string; page?: number; page_size?: number }) =>
    get<FlowPage>(`${API}/flows`, query),
  createAgentflow: (flow: AgentflowCreate) => post<Flow>(`${API}/agentflows`, flow),
  executeFlow: (id: string, message: string) =>
    post<Execution>(`${API}/flows/${id}/execute`, { input_data: { message } }),
  getExecutions: (query: { status?: string; flow_id?: string; limit?: number; offset?: number }) =>
    get<ExecutionPage>(`${API}/executions`, query),
  getExecution: (id: string) => get<Execution>(`${API}/executions/${id}`),
  cancelExecution: (id: string) => post<unknown>(`${API}/executions/${id}/cancel`, {}),
};

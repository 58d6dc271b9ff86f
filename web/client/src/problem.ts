/** A refusal of the API: RFC 9457 problem details. */
export interface Problem {
  status: number;
  title?: string;
  detail?: string;
  errors?: { loc: (string | number)[]; msg: string }[];
}

/** What the API refused. `message` is its own sentence, which says what to do. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`);
  }
}

type Outcome<T> = { data?: T; error?: unknown; response: Response };

/** The problem in a body; a body that is none, such as a proxy's page, becomes one without detail. */
export function problemOf(status: number, body: unknown): Problem {
  return typeof body === "object" && body !== null ? { ...(body as Partial<Problem>), status } : { status };
}

/** The value of an answer. Throws `ApiError` where the API refused. */
export async function valueOf<T>(call: Promise<Outcome<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw new ApiError(response.status, problemOf(response.status, error));
  return data as T;
}

/** A value with the ETag that an edit of it sends as `If-Match`. */
export interface Tagged<T> {
  value: T;
  etag: string | undefined;
}

/** The same with its ETag. */
export async function taggedOf<T>(call: Promise<Outcome<T>>): Promise<Tagged<T>> {
  const outcome = await call;
  return { value: await valueOf(Promise.resolve(outcome)), etag: outcome.response.headers.get("etag") ?? undefined };
}

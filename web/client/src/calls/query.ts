import type { operations } from "../schema";

/** The query parameters of an operation of docs/openapi.json. */
export type QueryOf<Name extends keyof operations> = NonNullable<operations[Name]["parameters"]["query"]>;

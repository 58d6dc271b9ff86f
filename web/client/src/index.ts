export { createPerdureClient, type ClientOptions, type PerdureClient } from "./client";
export type { New } from "./calls/flows";
export type { FollowOptions, Frame } from "./following";
export { afterFrame, NOTHING_YET, type LiveRun } from "./live";
export { ApiError, type Problem, type Tagged } from "./problem";
export type * from "./schema";

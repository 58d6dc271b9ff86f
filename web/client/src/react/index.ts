export { PerdureProvider, usePerdure } from "./context";
export * from "./executions";
export * from "./flows";
export { queryKeys } from "./keys";

import { NewFlow } from "./new";

/** A chat assistant from a form. */
export function Component() {
  return <NewFlow kind="chatflow" />;
}

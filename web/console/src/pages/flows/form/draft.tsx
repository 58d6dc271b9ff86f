import { ApiError } from "@perdure/client";
import { createContext, type ReactNode, use, useMemo, useState } from "react";

export type Path = readonly (string | number)[];
type Json = Record<string, unknown>;

export interface Draft {
  value: Json;
  /** What stands at a path; undefined where nothing does, which leaves it to the API's default. */
  at: (path: Path) => unknown;
  set: (path: Path, to: unknown) => void;
  /** What the API found wrong there, or within. */
  problemAt: (path: Path) => string | undefined;
  reset: (value: Json) => void;
}

const DraftContext = createContext<Draft | null>(null);

/** What a form's fields are in: a flow as the API takes it, and what the API said of its last attempt. */
export function useNewDraft(initial: () => Json, error: unknown): Draft {
  const [value, reset] = useState(initial);
  return useMemo(
    () => ({
      value,
      at: (path: Path) => path.reduce<unknown>((found, part) => (found as Record<string | number, unknown> | null | undefined)?.[part], value),
      set: (path: Path, to: unknown) => reset((before) => put(before, path, to) as Json),
      problemAt: (path: Path) => problemAt(error, path),
      reset,
    }),
    [value, error],
  );
}

export function DraftFields({ draft, children }: { draft: Draft; children: ReactNode }) {
  return <DraftContext value={draft}>{children}</DraftContext>;
}

export function useDraft(): Draft {
  const draft = use(DraftContext);
  if (!draft) throw new Error("This field stands in no <DraftFields>.");
  return draft;
}

function put(into: unknown, [part, ...rest]: Path, to: unknown): unknown {
  if (part === undefined) return to;
  if (typeof part === "number") {
    const list = Array.isArray(into) ? [...into] : [];
    list[part] = put(list[part], rest, to);
    return list;
  }
  const fields = (into ?? {}) as Json;
  return { ...fields, [part]: put(fields[part], rest, to) };
}

function problemAt(error: unknown, path: Path): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  // The first part of a place says that it is in the body.
  return error.problem.errors?.find(({ loc }) => path.every((part, index) => loc[index + 1] === part))?.msg;
}

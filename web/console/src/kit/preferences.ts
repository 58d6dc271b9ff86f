import { useEffect, useState } from "react";

/** A choice that outlives the visit. */
export function usePreference<T extends string>(name: string, first: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => (localStorage.getItem(name) as T | null) ?? first);
  useEffect(() => localStorage.setItem(name, value), [name, value]);
  return [value, setValue];
}

/** What the system asks for, to begin with. */
export function systemTheme(): "dark" | "light" {
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

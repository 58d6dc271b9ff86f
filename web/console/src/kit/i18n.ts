import { createContext, use } from "react";

export type Language = "en" | "ko";
export const LanguageContext = createContext<Language>("en");

type Text = string | ((...values: never[]) => string);
type Same<T> = { [K in keyof T]: T[K] extends (...values: infer Values) => string ? (...values: Values) => string : string };

/**
 * The texts of one page in both languages, as a hook that gives those of the language that is chosen. What depends on
 * values is a function of them, since languages put words in other orders:
 *
 *     export const useTexts = texts({ title: "Flows", of: (n: number) => `of ${n}` }, { title: "플로우", of: (n) => `${n} 중` });
 */
export function texts<T extends Record<string, Text>>(en: T, ko: Same<T>): () => Same<T> {
  // English has its own shape; the compiler does not see that through `T`.
  const both: Record<Language, Same<T>> = { en: en as unknown as Same<T>, ko };
  return () => both[use(LanguageContext)];
}

/** A name in both languages, where there is no page yet to ask for its texts. */
export type Named = Record<Language, string>;

import { use } from "react";
import { LanguageContext } from "./i18n";
import { useCommonTexts } from "./texts";

const KIB = 1024;

/** Writes times, amounts and sizes in the language that is chosen. */
export function useFormat() {
  const language = use(LanguageContext);
  const { unknown } = useCommonTexts();
  const number = new Intl.NumberFormat(language);
  return {
    number: (value: number) => number.format(value),
    /** An RFC 3339 time in the reader's own zone. */
    time: (value: string) => new Date(value).toLocaleString(language),
    /** Milliseconds as themselves, as seconds, minutes or hours. */
    duration: (ms: number) => duration(ms),
    /** USD; null where a part of it is not known. */
    cost: (usd: number | null | undefined) => (usd == null ? unknown : `$${usd.toFixed(6)}`),
    bytes: (value: number) => bytes(value, number),
  };
}

function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function bytes(value: number, number: Intl.NumberFormat): string {
  if (value < KIB) return `${value} B`;
  if (value < KIB * KIB) return `${number.format(Math.round(value / KIB))} KiB`;
  return `${number.format(Math.round((value / KIB / KIB) * 10) / 10)} MiB`;
}

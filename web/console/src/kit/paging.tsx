import { useSearchParams } from "react-router";
import { useCommonTexts } from "./texts";

/** The page that the address names, from 1. */
export function usePage(): number {
  const [query] = useSearchParams();
  return Math.max(Number.parseInt(query.get("page") ?? "1") || 1, 1);
}

/** Steps between the pages of a list; which one it is stands in the address. */
export function Paging({ page, total, size }: { page: number; total: number; size: number }) {
  const t = useCommonTexts();
  const [query, setQuery] = useSearchParams();
  const pages = Math.ceil(total / size);
  if (pages <= 1) return null;
  const go = (to: number) => {
    const next = new URLSearchParams(query);
    next.set("page", String(to));
    setQuery(next);
  };
  return (
    <div className="row">
      <button type="button" disabled={page <= 1} onClick={() => go(page - 1)}>{t.previous}</button>
      <span>{t.page(page, pages)}</span>
      <button type="button" disabled={page >= pages} onClick={() => go(page + 1)}>{t.next}</button>
    </div>
  );
}

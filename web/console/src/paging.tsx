import { useSearchParams } from "react-router";
import { useWords } from "./words";

/** Steps between the pages of a list; which one it is stands in the address. */
export function Paging({ page, total, size }: { page: number; total: number; size: number }) {
  const words = useWords();
  const [query, setQuery] = useSearchParams();
  const pages = Math.ceil(total / size);
  if (pages <= 1) return null;
  const go = (to: number) => setQuery({ ...Object.fromEntries(query), page: String(to) });
  return (
    <div className="row">
      <button type="button" disabled={page <= 1} onClick={() => go(page - 1)}>{words("previous")}</button>
      <span>{page} / {pages}</span>
      <button type="button" disabled={page >= pages} onClick={() => go(page + 1)}>{words("next")}</button>
    </div>
  );
}

import { type ReactNode, useEffect } from "react";
import { useCommonTexts } from "./texts";

/** A page: its title, also the tab's; what can be done with all of it; its content. */
export function Page({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Perdure`;
  }, [title]);
  return (
    <>
      <div className="row heading">
        <h1>{title}</h1>
        {actions !== undefined && <div className="actions">{actions}</div>}
      </div>
      {children}
    </>
  );
}

/** In the place of what has not come yet. */
export function Loading() {
  return <p role="status">{useCommonTexts().loading}</p>;
}

/** Facts in pairs: `<Facts of={[["Tokens", 12]]} />`. */
export function Facts({ of }: { of: [label: string, value: ReactNode][] }) {
  return (
    <dl>
      {of.map(([label, value]) => <div key={label}><dt>{label}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

/** How far something is. Without `total` nobody knows yet. */
export function Progress({ label, done, total }: { label: string; done: number; total?: number | null }) {
  return <progress aria-label={label} value={total ? done : undefined} max={total || undefined} />;
}

/** Gives the browser a file to save. */
export function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}

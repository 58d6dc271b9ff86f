import { type Event, type Span, timelineOf } from "@perdure/client";
import { useMemo } from "react";
import { useFormat } from "../../kit/format";
import { useNow } from "./now";
import { useTexts } from "./texts";

interface TimelineProps {
  events: readonly Event[];
  /** It goes on: what is open grows with the clock. */
  isLive: boolean;
}

/** When each step waited, was tried again and worked: bars by the times of the run's history. */
export function Timeline({ events, isLive }: TimelineProps) {
  const t = useTexts();
  const format = useFormat();
  const now = useNow(isLive);
  const rows = useMemo(() => timelineOf(events), [events]);
  const first = Date.parse(events[0]?.timestamp ?? "");
  const last = Math.max(Date.parse(events.at(-1)?.timestamp ?? ""), isLive ? now : 0);
  const length = Math.max(last - first, 1);
  const spanMs = (span: Span) => Math.max((span.to === null ? last : Date.parse(span.to)) - Date.parse(span.from), 0);
  if (rows.length === 0) return null;
  return (
    <section className="card timeline" aria-label={t.timeline}>
      {rows.map((row) => (
        <div className="line" key={row.id}>
          <span className="label" title={row.label}>{row.label}</span>
          <svg className="bars" role="img" preserveAspectRatio="none" viewBox="0 0 1000 20"
            aria-label={row.spans.map((span) => `${t.spans(span.kind)} ${format.duration(spanMs(span))}`).join(", ")}>
            {row.spans.map((span) => (
              <rect key={`${span.kind} ${span.from}`} className={span.kind} y={3} height={14}
                x={((Date.parse(span.from) - first) / length) * 1000} width={Math.max((spanMs(span) / length) * 1000, 3)}>
                <title>{`${t.spans(span.kind)}: ${format.duration(spanMs(span))}`}</title>
              </rect>
            ))}
          </svg>
          <span className="quiet total">
            {format.duration(row.spans.reduce((sum, span) => sum + spanMs(span), 0))}
            {row.attempts > 1 && ` · ${t.retries(row.attempts - 1)}`}
          </span>
        </div>
      ))}
      <Legend kinds={[...new Set(rows.flatMap(({ spans }) => spans.map(({ kind }) => kind)))]} />
    </section>
  );
}

function Legend({ kinds }: { kinds: Span["kind"][] }) {
  const t = useTexts();
  return (
    <ul className="legend">
      {kinds.map((kind) => (
        <li key={kind}>
          <svg width={14} height={14} aria-hidden="true"><rect className={kind} width={14} height={14} /></svg>
          {t.spans(kind)}
        </li>
      ))}
    </ul>
  );
}

import { useTexts } from "./texts";

const HEIGHT = 120;
const SLOT = 24;

export interface Series {
  label: string;
  /** The class that colours it. */
  kind: string;
  /** One for each day; null where there is none. */
  values: (number | null)[];
}

interface ChartProps {
  title: string;
  days: string[];
  /** Stacked, the first at the bottom. */
  series: Series[];
  show: (value: number) => string;
}

/** Bars by day. Each day's figures are its title; the same is told by the table of days. */
export function Chart({ title, days, series, show }: ChartProps) {
  const t = useTexts();
  const sums = days.map((_, day) => series.reduce((sum, { values }) => sum + (values[day] ?? 0), 0));
  const most = Math.max(...sums, 0);
  const width = days.length * SLOT;
  return (
    <figure className="card chart">
      <figcaption>{title} {most > 0 && <span className="quiet">({t.atMost(show(most))})</span>}</figcaption>
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${title}. ${t.asTable}: ${t.day}`}>
        {days.map((day, at) => (
          <g key={day}>
            <title>{[day, ...series.map(({ label, values }) => values[at] != null && `${label}: ${show(values[at])}`)].filter(Boolean).join("\n")}</title>
            <rect className="slot" x={at * SLOT} y={0} width={SLOT} height={HEIGHT} />
            {bars(series, at, most).map(({ kind, y, height }) => (
              <rect key={kind} className={kind} x={at * SLOT + 3} y={y} width={SLOT - 6} height={height} />
            ))}
          </g>
        ))}
      </svg>
      <div className="row quiet"><span>{days[0]}</span><span>{days.at(-1)}</span></div>
      {series.length > 1 && (
        <ul className="legend">
          {series.map(({ label, kind }) => (
            <li key={kind}><svg width={14} height={14} aria-hidden="true"><rect className={kind} width={14} height={14} /></svg>{label}</li>
          ))}
        </ul>
      )}
    </figure>
  );
}

function bars(series: Series[], day: number, most: number): { kind: string; y: number; height: number }[] {
  let top = HEIGHT;
  return series.flatMap(({ kind, values }) => {
    const value = values[day] ?? 0;
    if (value <= 0 || most <= 0) return [];
    const height = Math.max((value / most) * (HEIGHT - 4), 1.5);
    top -= height;
    return [{ kind, y: top, height }];
  });
}

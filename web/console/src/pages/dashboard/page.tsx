import type { ExecutionStatistics } from "@perdure/client";
import { useStatistics } from "@perdure/client/react";
import { useMemo } from "react";
import { Link, useSearchParams } from "react-router";
import { useFormat } from "../../kit/format";
import { Select } from "../../kit/forms";
import { Facts, Loading, Page } from "../../kit/layout";
import { Table } from "../../kit/table";
import { useCommonTexts } from "../../kit/texts";
import { Chart } from "./chart";
import "./dashboard.css";
import { useTexts } from "./texts";

const PERIODS = [1, 7, 30, 90, 365];
const DAY_MS = 86_400_000;

type Totals = ExecutionStatistics["totals"];

/** What one's runs come to: now, in a period, by day and by flow. */
export function Component() {
  const t = useTexts();
  const [query, setQuery] = useSearchParams();
  const days = PERIODS.find((each) => String(each) === query.get("days")) ?? 30;
  // From a full hour on, so that the same question is asked again and not another one each time.
  const since = useMemo(() => new Date(Math.floor((Date.now() - days * DAY_MS) / 3_600_000) * 3_600_000).toISOString(), [days]);
  const tz = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const { data } = useStatistics({ since, tz });
  const choose = (value: string) => setQuery({ days: value }, { replace: true });
  return (
    <Page title={t.dashboard}>
      <div className="bar">
        <Select label={t.period} value={days} onChange={({ target }) => choose(target.value)}>
          {PERIODS.map((each) => <option key={each} value={each}>{t.lastDays(each)}</option>)}
        </Select>
      </div>
      {data ? <Shown statistics={data} /> : <Loading />}
    </Page>
  );
}

function Shown({ statistics }: { statistics: ExecutionStatistics }) {
  const t = useTexts();
  const { totals, by_flow, by_day, flow_count, tz } = statistics;
  return (
    <>
      <Figures totals={totals} runningNow={statistics.running_now} />
      {totals.executions === 0 ? <p className="card">{t.none}</p> : (
        <>
          <Charts days={by_day} />
          <h2>{t.byFlow}</h2>
          <FlowTable flows={by_flow} />
          {flow_count > by_flow.length && <p className="quiet">{t.more(by_flow.length, flow_count)}</p>}
          <details>
            <summary>{t.asTable}: {t.day}</summary>
            <DayTable days={by_day} />
          </details>
          <p className="quiet">{t.zone(tz)}</p>
        </>
      )}
    </>
  );
}

function Figures({ totals, runningNow }: { totals: Totals; runningNow: number }) {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const ended = totals.completed + totals.failed;
  const duration = (ms: number | null) => (ms === null ? "–" : format.duration(ms));
  return (
    <section className="card figures">
      <Facts of={[
        [t.runningNow, <span key="now" data-testid="running-now">{format.number(runningNow)}</span>],
        [t.runs, <span key="runs" data-testid="runs">{format.number(totals.executions)}</span>],
        [t.failed, format.number(totals.failed)],
        [t.failureRate, ended === 0 ? "–" : `${format.number(Math.round((1000 * totals.failed) / ended) / 10)} %`],
        [t.median, duration(totals.duration_ms_p50)],
        [t.p95, duration(totals.duration_ms_p95)],
        [common.tokens, format.number(totals.llm_tokens)],
        [common.cost, <CostOf key="cost" totals={totals} />],
      ]} />
    </section>
  );
}

/** A cost that leaves out what is not known says so. */
function CostOf({ totals }: { totals: Totals }) {
  const t = useTexts();
  const format = useFormat();
  return <>{format.cost(totals.cost_usd)}{totals.unknown_cost > 0 && <div className="quiet">{t.unknownCost(totals.unknown_cost)}</div>}</>;
}

function Charts({ days }: { days: ExecutionStatistics["by_day"] }) {
  const t = useTexts();
  const format = useFormat();
  const names = days.map(({ day }) => day);
  return (
    <div className="charts">
      <Chart title={t.runsByDay} days={names} show={format.number} series={[
        { label: t.completed, kind: "good", values: days.map(({ completed }) => completed) },
        { label: t.failed, kind: "bad", values: days.map(({ failed }) => failed) },
        { label: t.cancelled, kind: "quiet-bar", values: days.map(({ cancelled }) => cancelled) },
        { label: t.stillRunning, kind: "busy", values: days.map(({ running }) => running) },
      ]} />
      <Chart title={`${t.latencyByDay}: ${t.p95}`} days={names} show={format.duration} series={[
        { label: t.p95, kind: "accent", values: days.map(({ duration_ms_p95 }) => duration_ms_p95) },
      ]} />
      <Chart title={t.tokensByDay} days={names} show={format.number} series={[
        { label: t.tokensByDay, kind: "accent", values: days.map(({ llm_tokens }) => llm_tokens) },
      ]} />
      <Chart title={t.costByDay} days={names} show={format.cost} series={[
        { label: t.costByDay, kind: "accent", values: days.map(({ cost_usd }) => cost_usd) },
      ]} />
    </div>
  );
}

function FlowTable({ flows }: { flows: ExecutionStatistics["by_flow"] }) {
  const t = useTexts();
  return (
    <Table label={t.byFlow} rows={flows} keyOf={({ flow_id }) => flow_id} columns={[
      { label: t.flow, cell: ({ flow_id, flow_name }) => <Link to={`/flows/${flow_id}`}>{flow_name}</Link> },
      ...useTotalsColumns(),
    ]} />
  );
}

function DayTable({ days }: { days: ExecutionStatistics["by_day"] }) {
  const t = useTexts();
  return (
    <Table label={t.day} rows={days} keyOf={({ day }) => day} columns={[{ label: t.day, cell: ({ day }) => day }, ...useTotalsColumns()]} />
  );
}

function useTotalsColumns() {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const duration = (ms: number | null) => (ms === null ? "–" : format.duration(ms));
  return [
    { label: t.runs, cell: ({ executions }: Totals) => format.number(executions) },
    { label: t.failed, cell: ({ failed }: Totals) => format.number(failed) },
    { label: t.median, cell: ({ duration_ms_p50 }: Totals) => duration(duration_ms_p50) },
    { label: t.p95, cell: ({ duration_ms_p95 }: Totals) => duration(duration_ms_p95) },
    { label: common.tokens, cell: ({ llm_tokens }: Totals) => format.number(llm_tokens) },
    { label: common.cost, cell: (totals: Totals) => <CostOf totals={totals} /> },
  ];
}

import type { RunDiff } from "@perdure/client";
import { useExecutionDiff } from "@perdure/client/react";
import { Link, useParams } from "react-router";
import { useFormat } from "../../kit/format";
import { Loading, Page } from "../../kit/layout";
import { Status } from "../../kit/status";
import { Table } from "../../kit/table";
import { useCommonTexts } from "../../kit/texts";
import "./executions.css";
import { useTexts } from "./texts";

type StepDiff = RunDiff["steps"][number];

/** Two runs, where they part, and what each step gave and cost in both. */
export function Component() {
  const t = useTexts();
  const { id = "", other = "" } = useParams();
  const { data: diff } = useExecutionDiff(id, other);
  if (!diff) return <Loading />;
  const parting = diff.steps.find(({ step_id }) => step_id === diff.first_difference);
  return (
    <Page title={t.comparison}>
      <Sides diff={diff} />
      <p>{diff.same ? t.theSame : parting && t.firstDifference(parting.node_label)}</p>
      <h2>{t.steps}</h2>
      <StepTable steps={diff.steps} />
      {diff.steps.map((step) => step.output_diff && <OutputDiff key={step.step_id} title={step.node_label} diff={step.output_diff} />)}
      {diff.output_diff && <OutputDiff title={t.output} diff={diff.output_diff} />}
    </Page>
  );
}

function Sides({ diff }: { diff: RunDiff }) {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const rows = [{ label: t.first, side: diff.a }, { label: t.second, side: diff.b }];
  return (
    <>
      <Table label={t.comparison} rows={rows} keyOf={({ label }) => label} columns={[
        { label: t.executions, cell: ({ label, side }) => <Link to={`/executions/${side.execution_id}`}>{label}</Link> },
        { label: common.status, cell: ({ side }) => <Status of={side.status} /> },
        { label: common.duration, cell: ({ side }) => (side.metrics.total_duration_ms == null ? "–" : format.duration(side.metrics.total_duration_ms)) },
        { label: common.tokens, cell: ({ side }) => format.number(side.metrics.llm_tokens) },
        { label: common.cost, cell: ({ side }) => format.cost(side.metrics.estimated_cost) },
      ]} />
    </>
  );
}

function StepTable({ steps }: { steps: StepDiff[] }) {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const signed = (value: number | null, show: (value: number) => string) => (value === null ? "–" : `${value < 0 ? "−" : "+"}${show(Math.abs(value))}`);
  return (
    <Table label={t.steps} rows={steps} keyOf={({ step_id }) => step_id} columns={[
      { label: t.stepName, cell: (step) => step.node_label },
      { label: t.isSame, cell: (step) => sameness(step, t) },
      { label: `${common.tokens}: ${t.difference}`, cell: ({ tokens }) => signed(tokens, format.number) },
      { label: `${common.duration}: ${t.difference}`, cell: ({ duration_ms }) => signed(duration_ms, format.duration) },
      { label: `${common.cost}: ${t.difference}`, cell: ({ cost_usd }) => signed(cost_usd, format.cost) },
    ]} />
  );
}

function sameness({ a, b, same }: StepDiff, t: ReturnType<typeof useTexts>): string {
  if (!a) return t.onlyIn(t.second);
  if (!b) return t.onlyIn(t.first);
  const how = [b.is_reused && t.reused, b.is_edited && t.edited].filter(Boolean).join(", ");
  return `${same ? t.yes : t.no}${how && ` (${how})`}`;
}

/** A unified diff, its lines in words and colour: `+` and `-` stand before them. */
function OutputDiff({ title, diff }: { title: string; diff: string }) {
  const t = useTexts();
  return (
    <section className="card">
      <strong>{t.outputDiff}: {title}</strong>
      <pre className="diff" tabIndex={0}>
        {diff.split("\n").map((line, index) => <span key={`${index} ${line}`} className={kindOf(line)}>{line}{"\n"}</span>)}
      </pre>
    </section>
  );
}

function kindOf(line: string): string {
  if (line.startsWith("+") && !line.startsWith("+++")) return "added";
  if (line.startsWith("-") && !line.startsWith("---")) return "removed";
  return "quiet";
}

import { ApiError, type FlowPage, type Tagged, teamGraph } from "@perdure/client";
import { useDeleteFlow, useFlowExecutions, useMe, usePerdure, useTaggedFlow } from "@perdure/client/react";
import { useMemo } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { ConfirmButton } from "../../kit/dialog";
import { useFormat } from "../../kit/format";
import { Facts, Loading, Page, save } from "../../kit/layout";
import { Status } from "../../kit/status";
import { useCommonTexts } from "../../kit/texts";
import { TeamDrawing } from "../executions/team";
import "./flows.css";
import { usePatternTexts } from "./form/texts";
import { RunForm } from "./run-form";
import { useTexts } from "./texts";

type Flow = FlowPage["flows"][number];

/** One flow: what it is, run it, its latest runs. */
export function Component() {
  const { id = "" } = useParams();
  const { data } = useTaggedFlow(id);
  return data ? <Shown key={id} tagged={data} /> : <Loading />;
}

function Shown({ tagged: { value: flow, etag } }: { tagged: Tagged<Flow> }) {
  const t = useTexts();
  const { data: me } = useMe();
  return (
    <Page title={flow.name} actions={<Actions flow={flow} etag={etag} isOwn={me?.id === flow.user_id} />}>
      {flow.description && <p>{flow.description}</p>}
      <section className="card">
        <FlowFacts flow={flow} />
        {flow.is_active && <RunForm flow={flow} />}
      </section>
      {flow.flow_type === "agentflow" && (flow.agents?.length ?? 0) > 0 && <Team flow={flow} />}
      <h2>{t.recentRuns}</h2>
      <RecentRuns id={flow.id} />
    </Page>
  );
}

function Actions({ flow, etag, isOwn }: { flow: Flow; etag: string | undefined; isOwn: boolean }) {
  const t = useTexts();
  const common = useCommonTexts();
  const navigate = useNavigate();
  const client = usePerdure();
  const remove = useDeleteFlow();
  const download = async () => {
    const file = await client.flowsAPI.exportFlow(flow.id);
    save(new Blob([JSON.stringify(file, null, 2)], { type: "application/json" }), `${flow.name}.json`);
  };
  const confirm = async () => {
    try {
      await remove.mutateAsync({ id: flow.id, etag });
    } catch (error) {
      // Deleted by somebody else: that is what was asked for.
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
    await navigate("/flows");
  };
  return (
    <>
      {flow.flow_type === "chatflow" && <Link className="button main" to={`/chat/${flow.id}`}>{t.chat}</Link>}
      {isOwn && <Link className="button" to={`/flows/${flow.id}/edit`}>{common.edit}</Link>}
      {isOwn && <Link className="button" to={`/flows/${flow.id}/versions`}>{t.versions}</Link>}
      <button type="button" onClick={() => void download()}>{common.export}</button>
      {isOwn && <ConfirmButton label={common.delete} question={t.deleteQuestion(flow.name)} onConfirm={confirm} />}
    </>
  );
}

function FlowFacts({ flow }: { flow: Flow }) {
  const t = useTexts();
  const common = useCommonTexts();
  const patterns = usePatternTexts();
  const format = useFormat();
  return (
    <Facts of={[
      [t.kind, flow.flow_type === "agentflow" ? `${t.team}: ${patterns[flow.orchestration_type]}` : t.assistant],
      [common.version, flow.version],
      [t.runs, format.number(flow.execution_count)],
      [t.lastRun, flow.last_execution_at && flow.last_execution_status
        ? <><Status of={flow.last_execution_status} /> {format.time(flow.last_execution_at)}</>
        : t.never],
      ...(flow.tags?.length ? [[t.tags, flow.tags.join(", ")] as [string, string]] : []),
      ...(flow.is_public ? [["", t.public] as [string, string]] : []),
      ...(flow.is_active ? [] : [["", t.inactive] as [string, string]]),
    ]} />
  );
}

function Team({ flow }: { flow: Extract<Flow, { flow_type: "agentflow" }> }) {
  const t = useTexts();
  const graph = useMemo(() => teamGraph({ node_executions: [] }, flow), [flow]);
  return (
    <>
      <h2>{t.whoWorks}</h2>
      <section className="card"><TeamDrawing graph={graph} label={t.whoWorks} /></section>
    </>
  );
}

function RecentRuns({ id }: { id: string }) {
  const t = useTexts();
  const format = useFormat();
  const { data } = useFlowExecutions(id, { limit: 10 });
  if (!data) return <Loading />;
  if (data.total === 0) return <p className="card">{t.noRuns}</p>;
  return data.executions.map((execution) => (
    <section className="card row" key={execution.id}>
      <Link to={`/executions/${execution.id}`}>{format.time(execution.started_at)}</Link>
      <Status of={execution.status} />
      <span className="quiet">
        {execution.duration_ms != null && `${format.duration(execution.duration_ms)} · `}
        {format.cost(execution.metrics.estimated_cost)}
      </span>
    </section>
  ));
}

import { type Execution, type ExecutionState, stateAfter, type Team, teamGraph } from "@perdure/client";
import {
  type ExecutionStream,
  queryKeys,
  useCancelExecution,
  useExecution,
  useExecutionStream,
  useExplanation,
  usePerdure,
  useRetryExecution,
  useTemporalRun,
} from "@perdure/client/react";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useFormat } from "../../kit/format";
import { Facts, Loading, Page } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { Status } from "../../kit/status";
import { useCommonTexts } from "../../kit/texts";
import { CompareWith } from "./compare-with";
import "./executions.css";
import { ForkDialog } from "./fork";
import { useNow } from "./now";
import { Steps } from "./steps";
import { TeamDrawing } from "./team";
import { textOf } from "./text";
import { useTexts } from "./texts";
import { Timeline } from "./timeline";

/** One run: live while it runs, and at any of its versions by the slider. */
export function Component() {
  const { id = "" } = useParams();
  const { data } = useExecution(id);
  return data ? <Run key={id} execution={data} /> : <Loading />;
}

function Run({ execution }: { execution: Execution }) {
  const t = useTexts();
  const stream = useExecutionStream(execution.id);
  const [chosenVersion, chooseVersion] = useState<number | null>(null);
  const [chosenNode, chooseNode] = useState<string | null>(null);
  const [forkFrom, setForkFrom] = useState<string | null>(null);
  const newest = stream.events.at(-1)?.version ?? 0;
  const version = chosenVersion ?? newest;
  const events = useMemo(() => stream.events.filter((event) => event.version <= version), [stream.events, version]);
  const state = useMemo(() => stateAfter(events), [events]);
  const isNow = chosenVersion === null;
  const isLive = isNow && state?.status === "running";
  return (
    <Page title={execution.flow_name} actions={<Actions execution={execution} state={state} onFork={() => setForkFrom("")} />}>
      <Problem error={stream.error} />
      <section className="card">
        {state && <Summary state={state} execution={execution} />}
        {isLive && <Explanation id={execution.id} isAsking={state.pending_approvals.length > 0} />}
        <Slider version={version} newest={newest} isLive={isLive} onChoose={(to) => chooseVersion(to === newest ? null : to)} last={events.at(-1)} />
      </section>
      {state && <TeamOf execution={execution} state={state} chosen={chosenNode} onChoose={(node) => chooseNode(node === chosenNode ? null : node)} />}
      {events.length > 0 && <><h2>{t.timeline}</h2><Timeline events={events} isLive={isLive} /></>}
      <h2>{t.input}</h2>
      <div className="card"><pre>{textOf(execution.input_data)}</pre></div>
      {state && <Steps state={state} stream={isNow ? stream : null} chosen={chosenNode} onShowAll={() => chooseNode(null)} onFork={setForkFrom} />}
      {state?.error_message && <div className="card problem" role="alert"><strong>{t.failed}</strong> {state.error_message}</div>}
      {state?.output_data && <><h2>{t.output}</h2><div className="card"><pre data-testid="output">{textOf(state.output_data)}</pre></div></>}
      {stream.isOver && <CompareWith execution={execution} />}
      {forkFrom !== null && <ForkDialog execution={execution} step={forkFrom || undefined} onClose={() => setForkFrom(null)} />}
    </Page>
  );
}

function Actions({ execution, state, onFork }: { execution: Execution; state: ExecutionState | null; onFork: () => void }) {
  const t = useTexts();
  const navigate = useNavigate();
  const cancel = useCancelExecution();
  const retry = useRetryExecution();
  const { data: inTemporal } = useTemporalRun(execution.id);
  const isOpen = (state ?? execution).status === "running" || execution.status === "pending";
  const isRetried = execution.status === "failed" || execution.status === "cancelled";
  return (
    <>
      <Problem error={cancel.error ?? retry.error} />
      {inTemporal?.url && <a className="button" href={inTemporal.url} target="_blank" rel="noreferrer">{t.inTemporal}</a>}
      {isOpen && <button type="button" disabled={!cancel.isIdle} onClick={() => cancel.mutate(execution.id)}>{t.cancelRun}</button>}
      {isRetried && (
        <button type="button" disabled={!retry.isIdle}
          onClick={() => retry.mutate({ id: execution.id }, { onSuccess: ({ id }) => void navigate(`/executions/${id}`) })}>
          {t.retry}
        </button>
      )}
      {!isOpen && <button type="button" onClick={onFork}>{t.fork}</button>}
    </>
  );
}

function Summary({ state, execution }: { state: ExecutionState; execution: Execution }) {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const from = execution.forked_from;
  const isRunning = state.status === "running";
  const now = useNow(isRunning);
  // Two clocks: the server's may be ahead of the browser's.
  const soFar = isRunning ? Math.max(now - Date.parse(execution.started_at), 0) : state.metrics.total_duration_ms;
  return (
    <Facts of={[
      [common.status, <Status key="status" of={state.status} testId="status" />],
      [t.flow, <Link key="flow" to={`/flows/${execution.flow_id}`}>{execution.flow_name}, {common.version} {execution.flow_version}</Link>],
      [common.started, format.time(execution.started_at)],
      [common.duration, soFar == null ? "–" : format.duration(soFar)],
      [common.tokens, format.number(state.metrics.llm_tokens)],
      [common.cost, <span key="cost" data-testid="cost">{format.cost(state.metrics.estimated_cost)}</span>],
      ...(from ? [[t.forkOf, <Link key="from" to={`/executions/${from.execution_id}`}>{from.execution_id.slice(0, 8)}</Link>] as [string, React.ReactNode]] : []),
    ]} />
  );
}

/** What the run waits for, in the server's words. */
function Explanation({ id, isAsking }: { id: string; isAsking: boolean }) {
  const t = useTexts();
  const { data } = useExplanation(id);
  return (
    <>
      <p className="quiet" role="status">{data?.sentence ?? " "}</p>
      {isAsking && <p><Link to="/approvals">{t.decide}</Link></p>}
    </>
  );
}

interface SliderProps {
  version: number;
  newest: number;
  isLive: boolean;
  onChoose: (version: number) => void;
  last: ExecutionStream["events"][number] | undefined;
}

function Slider({ version, newest, isLive, onChoose, last }: SliderProps) {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  return (
    <>
      <label>
        {common.version} {version} / {newest} {isLive && `(${t.live})`}
        <input type="range" min={Math.min(1, newest)} max={newest} value={version} aria-label={common.version}
          onChange={({ target }) => onChoose(target.valueAsNumber)} />
      </label>
      {last && <p className="quiet">{t.lastEvent}: {last.event_type}, {format.time(last.timestamp)}</p>}
    </>
  );
}

function TeamOf({ execution, state, chosen, onChoose }: { execution: Execution; state: ExecutionState; chosen: string | null; onChoose: (node: string) => void }) {
  const t = useTexts();
  const team = useTeam(execution);
  const graph = useMemo(() => teamGraph(state, team), [state, team]);
  if (graph.nodes.length < 2) return null;
  return (
    <>
      <h2>{t.team}</h2>
      <section className="card"><TeamDrawing graph={graph} label={t.team} chosen={chosen ?? undefined} onChoose={onChoose} /></section>
    </>
  );
}

/** The team of the run's own version of its flow. Who may not see that, sees whom the run itself has told of. */
function useTeam({ flow_id, flow_version, flow_type }: Execution): Team | undefined {
  const client = usePerdure();
  const { data } = useQuery({
    queryKey: queryKeys.flowVersion(flow_id, flow_version),
    queryFn: () => client.flowsAPI.getVersion(flow_id, flow_version),
    enabled: flow_type === "agentflow",
    staleTime: Infinity,
    throwOnError: false,
  });
  return data?.flow_type === "agentflow" ? data : undefined;
}

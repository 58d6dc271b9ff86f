import type { FlowPage } from "@perdure/client";
import { useExecuteFlow, useFlows } from "@perdure/client/react";
import { useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { Input } from "../../kit/forms";
import { Loading, Page } from "../../kit/layout";
import { Paging, usePage } from "../../kit/paging";
import { Problem } from "../../kit/problem";
import { useCommonTexts } from "../../kit/texts";
import { useTexts } from "./texts";

const PAGE_SIZE = 20;

/** All flows of the user: search, page, run. */
export function Component() {
  const t = useTexts();
  const common = useCommonTexts();
  const [query, setQuery] = useSearchParams();
  const search = query.get("search") ?? "";
  const page = usePage();
  const { data } = useFlows({ search, page, page_size: PAGE_SIZE });
  return (
    <Page title={t.flows} actions={<Link className="button main" to="/flows/new">{t.newTeam}</Link>}>
      <div className="bar">
        <Input label={t.search} type="search" maxLength={200} value={search}
          onChange={(event) => setQuery(event.target.value ? { search: event.target.value } : {}, { replace: true })} />
      </div>
      {!data && <Loading />}
      {data?.total === 0 && <p className="card">{search ? common.noMatch : t.noFlows}</p>}
      {data?.flows.map((flow) => <FlowCard key={flow.id} flow={flow} />)}
      {data && <Paging page={page} total={data.total} size={PAGE_SIZE} />}
    </Page>
  );
}

function FlowCard({ flow }: { flow: FlowPage["flows"][number] }) {
  const t = useTexts();
  const common = useCommonTexts();
  const navigate = useNavigate();
  const [message, setMessage] = useState("");
  const run = useExecuteFlow();
  const start = () =>
    run.mutate({ id: flow.id, inputData: { message } }, { onSuccess: ({ id }) => void navigate(`/executions/${id}`) });
  return (
    <section className="card">
      <h2>{flow.name}</h2>
      {flow.description && <p>{flow.description}</p>}
      <p className="quiet">
        {flow.flow_type === "agentflow" ? flow.orchestration_type : flow.flow_type} · {common.version} {flow.version} · {t.runs} {flow.execution_count}
      </p>
      <Problem error={run.error} />
      <form className="bar" action={start}>
        <Input label={common.message} required value={message} onChange={(event) => setMessage(event.target.value)} />
        <button disabled={run.isPending} aria-label={`${common.run}: ${flow.name}`}>{common.run}</button>
      </form>
    </section>
  );
}

import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { type Flow, flowsAPI } from "../api/client";
import { Paging } from "../paging";
import { Problem } from "../problem";
import { useWords } from "../words";

const PAGE_SIZE = 20;

/** All flows of the user: search, page, run. */
export function FlowsPage() {
  const words = useWords();
  const [query, setQuery] = useSearchParams();
  const search = query.get("search") ?? "";
  const page = Number(query.get("page") ?? 1);
  const { data } = useQuery({
    queryKey: ["flows", search, page],
    queryFn: () => flowsAPI.getFlows({ search, page, page_size: PAGE_SIZE }),
    placeholderData: keepPreviousData,
  });
  return (
    <>
      <h1>{words("flows")}</h1>
      <div className="bar">
        <label>
          {words("search")}
          <input type="search" maxLength={200} value={search} onChange={(event) => setQuery(event.target.value ? { search: event.target.value } : {}, { replace: true })} />
        </label>
        <Link className="button main" to="/flows/new">{words("newTeam")}</Link>
      </div>
      {!data && <p>{words("loading")}</p>}
      {data?.total === 0 && <p className="card">{words(search ? "noMatch" : "noFlows")}</p>}
      {data?.flows.map((flow) => <FlowCard key={flow.id} flow={flow} />)}
      {data && <Paging page={page} total={data.total} size={PAGE_SIZE} />}
    </>
  );
}

function FlowCard({ flow }: { flow: Flow }) {
  const words = useWords();
  const navigate = useNavigate();
  const [message, setMessage] = useState("");
  const run = useMutation({
    throwOnError: false,
    mutationFn: () => flowsAPI.executeFlow(flow.id, message),
    onSuccess: ({ id }) => navigate(`/executions/${id}`),
  });
  return (
    <section className="card">
      <h2>{flow.name}</h2>
      {flow.description && <p>{flow.description}</p>}
      <p className="quiet">
        {flow.flow_type === "agentflow" ? flow.orchestration_type : flow.flow_type} · {words("version")} {flow.version} · {words("runs")} {flow.execution_count}
      </p>
      {run.isError && <Problem error={run.error} />}
      <form className="bar" action={() => run.mutate()}>
        <label>{words("message")}<input required value={message} onChange={(event) => setMessage(event.target.value)} /></label>
        <button disabled={run.isPending} aria-label={`${words("run")}: ${flow.name}`}>{words("run")}</button>
      </form>
    </section>
  );
}

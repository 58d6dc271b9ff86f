import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "react-router";
import { flowsAPI } from "../api/client";
import { Paging } from "../paging";
import { useWords } from "../words";

const PAGE_SIZE = 20;
const AGAIN_MS = 5000;
const STATUSES = ["pending", "running", "completed", "failed", "cancelled"] as const;

/** All executions of the user, newest first, by status. */
export function ExecutionsPage() {
  const words = useWords();
  const [query, setQuery] = useSearchParams();
  const status = query.get("status") ?? "";
  const page = Number(query.get("page") ?? 1);
  const { data } = useQuery({
    queryKey: ["executions", status, page],
    queryFn: () => flowsAPI.getExecutions({ status, limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE }),
    placeholderData: keepPreviousData,
    refetchInterval: AGAIN_MS,
  });
  return (
    <>
      <h1>{words("executions")}</h1>
      <div className="bar">
        <label>
          {words("status")}
          <select value={status} onChange={(event) => setQuery(event.target.value ? { status: event.target.value } : {})}>
            <option value="">{words("all")}</option>
            {STATUSES.map((each) => <option key={each} value={each}>{words(each)}</option>)}
          </select>
        </label>
      </div>
      {!data && <p>{words("loading")}</p>}
      {data?.total === 0 && <p className="card">{words(status ? "noMatch" : "noExecutions")}</p>}
      {data?.executions.map((execution) => (
        <section className="card row" key={execution.id}>
          <Link to={`/executions/${execution.id}`}>{execution.flow_name}</Link>
          <span className={`status ${execution.status}`}>{words(execution.status)}</span>
          <span className="quiet">
            {execution.started_at && new Date(execution.started_at).toLocaleString()}
            {execution.duration_ms != null && ` · ${(execution.duration_ms / 1000).toFixed(1)} s`}
          </span>
        </section>
      ))}
      {data && <Paging page={page} total={data.total} size={PAGE_SIZE} />}
    </>
  );
}

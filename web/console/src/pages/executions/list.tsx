import type { ExecutionStatus } from "@perdure/client";
import { useExecutions } from "@perdure/client/react";
import { Link, useSearchParams } from "react-router";
import { useFormat } from "../../kit/format";
import { Select } from "../../kit/forms";
import { Loading, Page } from "../../kit/layout";
import { Paging, usePage } from "../../kit/paging";
import { Status, useStatusTexts } from "../../kit/status";
import { useCommonTexts } from "../../kit/texts";
import { useTexts } from "./texts";

const PAGE_SIZE = 20;
const STATUSES: ExecutionStatus[] = ["pending", "running", "completed", "failed", "cancelled"];

/** All executions of the user, newest first, by status. */
export function Component() {
  const t = useTexts();
  const common = useCommonTexts();
  const statuses = useStatusTexts();
  const format = useFormat();
  const [query, setQuery] = useSearchParams();
  const status = STATUSES.find((each) => each === query.get("status"));
  const page = usePage();
  const { data } = useExecutions({ ...(status && { status }), limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE });
  return (
    <Page title={t.executions}>
      <div className="bar">
        <Select label={common.status} value={status ?? ""} onChange={(event) => setQuery(event.target.value ? { status: event.target.value } : {})}>
          <option value="">{common.all}</option>
          {STATUSES.map((each) => <option key={each} value={each}>{statuses[each]}</option>)}
        </Select>
      </div>
      {!data && <Loading />}
      {data?.total === 0 && <p className="card">{status ? common.noMatch : t.noExecutions}</p>}
      {data?.executions.map((execution) => (
        <section className="card row" key={execution.id}>
          <Link to={`/executions/${execution.id}`}>{execution.flow_name}</Link>
          <Status of={execution.status} />
          <span className="quiet">
            {execution.started_at && format.time(execution.started_at)}
            {execution.duration_ms != null && ` · ${format.duration(execution.duration_ms)}`}
          </span>
        </section>
      ))}
      {data && <Paging page={page} total={data.total} size={PAGE_SIZE} />}
    </Page>
  );
}

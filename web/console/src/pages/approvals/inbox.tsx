import type { ApprovalStatus } from "@perdure/client";
import { useInbox } from "@perdure/client/react";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { Select } from "../../kit/forms";
import { Loading, Page } from "../../kit/layout";
import { Paging, usePage } from "../../kit/paging";
import { useStatusTexts } from "../../kit/status";
import { useCommonTexts } from "../../kit/texts";
import { ApprovalCard } from "./card";
import { useTexts } from "./texts";

const PAGE_SIZE = 20;
const STATUSES: ApprovalStatus[] = ["pending", "approved", "edited", "rejected", "cancelled"];

/** What runs ask the user, and how earlier questions ended. */
export function Component() {
  const t = useTexts();
  const common = useCommonTexts();
  const statuses = useStatusTexts();
  const [query, setQuery] = useSearchParams();
  const status = STATUSES.find((each) => each === query.get("status")) ?? "pending";
  const page = usePage();
  const [told, tell] = useState("");
  const { data } = useInbox({ status, limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE });
  return (
    <Page title={t.title}>
      <div className="bar">
        <Select label={common.status} value={status} onChange={(event) => setQuery({ status: event.target.value })}>
          {STATUSES.map((each) => <option key={each} value={each}>{statuses[each]}</option>)}
        </Select>
      </div>
      <p role="status">{told}</p>
      {!data && <Loading />}
      {data?.total === 0 && <p className="card">{status === "pending" ? t.none : t.noneOfStatus}</p>}
      {data?.approvals.map((approval) => (
        // Edited by somebody else, it is another question.
        <ApprovalCard key={`${approval.execution_id} ${approval.approval_id} ${approval.revision}`} approval={approval}
          onDecided={(after) => tell(t.thanks(after.title, statuses[after.status]))} />
      ))}
      {data && <Paging page={page} total={data.total} size={PAGE_SIZE} />}
    </Page>
  );
}

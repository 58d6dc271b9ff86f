import type { Event, QueryOf } from "@perdure/client";
import { useSearchParams } from "react-router";
import { Input, Select } from "../../kit/forms";
import { useCommonTexts } from "../../kit/texts";
import { useTexts } from "./texts";

const AGGREGATES: Event["aggregate_type"][] = ["Flow", "Execution", "KnowledgeBase", "Session", "User"];
/** What is often looked for; others can be typed. */
const OFTEN = [
  "FlowCreated", "FlowUpdated", "FlowDeleted", "ExecutionStarted", "ExecutionForked", "ExecutionCancelRequested",
  "ExecutionCompleted", "ExecutionFailed", "ExecutionCancelled", "ApprovalRequested", "ApprovalSubmitted",
  "ApprovalApproved", "ApprovalRejected", "ApprovalEdited", "KnowledgeBaseCreated", "KnowledgeBaseDeleted",
  "DocumentAdded", "DocumentFailed", "DocumentDeleted", "SessionDeleted", "LoginSucceeded", "LoginFailed",
  "ApiKeyCreated", "ApiKeyUsed", "ApiKeyDeleted",
];
const NAMES = ["event_type", "aggregate_type", "user_id", "from_date", "to_date"] as const;

/** The filters that the address names. Times stand there as they were filled in, in the reader's own zone. */
export function filtersIn(query: URLSearchParams): QueryOf<"getAuditLog"> {
  const instant = (name: string) => {
    const time = new Date(query.get(name) ?? "");
    return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
  };
  const user = Number.parseInt(query.get("user_id") ?? "");
  const found = {
    event_type: query.get("event_type") || undefined,
    aggregate_type: query.get("aggregate_type") || undefined,
    user_id: Number.isNaN(user) ? undefined : user,
    from_date: instant("from_date"),
    to_date: instant("to_date"),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

/** What to show of the log. It goes into the address, so that it can be kept and sent. */
export function Filters() {
  const t = useTexts();
  const common = useCommonTexts();
  const [query, setQuery] = useSearchParams();
  const apply = (form: FormData) => {
    const filled = NAMES.map((name) => [name, String(form.get(name) ?? "").trim()] as const).filter(([, value]) => value !== "");
    setQuery(Object.fromEntries(filled));
  };
  const given = (name: (typeof NAMES)[number]) => query.get(name) ?? "";
  return (
    // Filled in anew when the address changes, as by going back.
    <form className="card" key={query.toString()} onSubmit={(event) => {
      event.preventDefault();
      apply(new FormData(event.currentTarget));
    }}>
      <div className="grid">
        <Input label={t.what} name="event_type" list="event-types" defaultValue={given("event_type")} />
        <datalist id="event-types">{OFTEN.map((each) => <option key={each} value={each} />)}</datalist>
        <Select label={t.about} name="aggregate_type" defaultValue={given("aggregate_type")}>
          <option value="">{common.all}</option>
          {AGGREGATES.map((each) => <option key={each}>{each}</option>)}
        </Select>
        <Input label={t.by} name="user_id" type="number" min={1} defaultValue={given("user_id")} />
        <Input label={t.from} name="from_date" type="datetime-local" defaultValue={given("from_date")} />
        <Input label={t.to} name="to_date" type="datetime-local" defaultValue={given("to_date")} />
      </div>
      <div className="actions">
        <button className="main">{common.apply}</button>
        {query.size > 0 && <button type="button" onClick={() => setQuery({})}>{t.clear}</button>}
      </div>
    </form>
  );
}

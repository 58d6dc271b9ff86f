import type { Execution } from "@perdure/client";
import { useExecutions } from "@perdure/client/react";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { useFormat } from "../../kit/format";
import { Select } from "../../kit/forms";
import { Loading } from "../../kit/layout";
import { useStatusTexts } from "../../kit/status";
import { useTexts } from "./texts";

/** Leads to the comparison of a run with one of the latest of its flow, and with the one that it is a fork of. */
export function CompareWith({ execution }: { execution: Execution }) {
  const t = useTexts();
  const [isAsked, setIsAsked] = useState(false);
  const parent = execution.forked_from?.execution_id;
  return (
    <section className="card">
      {parent && <p>{t.forkOf}: <Link to={`/executions/${parent}/diff/${execution.id}`}>{t.compareWithIt}</Link></p>}
      <details onToggle={({ currentTarget }) => setIsAsked((was) => was || currentTarget.open)}>
        <summary>{t.compareWith}</summary>
        {isAsked && <Others execution={execution} />}
      </details>
    </section>
  );
}

function Others({ execution }: { execution: Execution }) {
  const t = useTexts();
  const statuses = useStatusTexts();
  const format = useFormat();
  const navigate = useNavigate();
  const { data } = useExecutions({ flow_id: execution.flow_id, limit: 50 }, false);
  if (!data) return <Loading />;
  const others = data.executions.filter(({ id }) => id !== execution.id);
  if (others.length === 0) return <p className="quiet">{t.noOtherRun}</p>;
  return (
    <Select label={t.otherRun} value="" onChange={({ target }) => void navigate(`/executions/${target.value}/diff/${execution.id}`)}>
      <option value="">{t.chooseRun}</option>
      {others.map(({ id, started_at, status }) => <option key={id} value={id}>{format.time(started_at)}, {statuses[status]}</option>)}
    </Select>
  );
}

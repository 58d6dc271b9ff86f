import { type Approval, type JsonValue, newId } from "@perdure/client";
import { useDecideApproval } from "@perdure/client/react";
import { useState } from "react";
import { Link } from "react-router";
import { useFormat } from "../../kit/format";
import { TextArea } from "../../kit/forms";
import { Facts } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { Status } from "../../kit/status";
import { useTexts } from "./texts";

interface CardProps {
  approval: Approval;
  /** Called with the approval as it stands after the user's decision. */
  onDecided: (after: Approval) => void;
}

/** One question of a run: what it is about and, while it is open, the answer. */
export function ApprovalCard({ approval, onDecided }: CardProps) {
  const t = useTexts();
  return (
    <section className="card" aria-label={approval.title}>
      <div className="row">
        <h2>{approval.title}</h2>
        <Status of={approval.status} />
      </div>
      <p className="quiet">{approval.kind === "agent" ? t.agent : t.tool}</p>
      <Circumstances approval={approval} />
      {approval.status === "pending"
        ? <Answer approval={approval} onDecided={onDecided} />
        : <><pre>{writtenOf(approval)}</pre>{approval.comment && <p>{approval.comment}</p>}</>}
    </section>
  );
}

function Circumstances({ approval }: { approval: Approval }) {
  const t = useTexts();
  const format = useFormat();
  const { execution_id, flow_name, created_at, deadline, default_decision, approved_by, quorum, decided_by, decided_at } = approval;
  return (
    <Facts of={[
      [t.run, <Link key="run" to={`/executions/${execution_id}`}>{flow_name ?? execution_id}</Link>],
      [t.asked, format.time(created_at)],
      ...(deadline ? [[t.deadline, `${format.time(deadline)}, ${t.atDeadline(default_decision)}`] as [string, string]] : []),
      ...(quorum > 1 ? [[t.approvedBy, [t.ofQuorum(approved_by.length, quorum), ...approved_by].join(", ")] as [string, string]] : []),
      ...(decided_at ? [[t.decidedBy, `${decided_by.join(", ") || t.byDeadline}, ${format.time(decided_at)}`] as [string, string]] : []),
    ]} />
  );
}

/** An agent's task as it is; a tool's arguments as JSON. */
function writtenOf({ kind, arguments: given }: Approval): string {
  return kind === "agent" && typeof given.task === "string" ? given.task : JSON.stringify(given, null, 2);
}

/** The arguments in what was written; undefined where that is none. */
function argumentsIn(written: string, kind: Approval["kind"]): Record<string, JsonValue> | undefined {
  if (kind === "agent") return { task: written };
  try {
    const read: unknown = JSON.parse(written);
    return typeof read === "object" && read !== null && !Array.isArray(read) ? (read as Record<string, JsonValue>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function Answer({ approval, onDecided }: CardProps) {
  const t = useTexts();
  const decide = useDecideApproval();
  const [comment, setComment] = useState("");
  const shown = writtenOf(approval);
  const [written, setWritten] = useState(shown);
  const isEdited = written !== shown;
  const edited = argumentsIn(written, approval.kind);
  const send = (decision: "approve" | "reject" | "edit") =>
    decide.mutate(
      {
        executionId: approval.execution_id,
        approvalId: approval.approval_id,
        decision,
        comment: comment.trim() || null,
        edited_arguments: decision === "edit" && edited ? edited : null,
        // The user's yes is to these arguments and no others.
        revision: approval.revision,
        idempotencyKey: newId(),
      },
      { onSuccess: onDecided },
    );
  return (
    <>
      <TextArea label={approval.kind === "agent" ? t.task : t.argumentsOf} rows={Math.min(written.split("\n").length + 1, 14)}
        value={written} onChange={(event) => setWritten(event.target.value)} aria-invalid={edited === undefined}
        hint={edited === undefined ? t.noObject : undefined} />
      <TextArea label={t.comment} rows={2} maxLength={10_000} value={comment} onChange={(event) => setComment(event.target.value)} />
      <Problem error={decide.error} />
      <div className="actions">
        {isEdited
          ? <button type="button" className="main" disabled={decide.isPending || !edited} onClick={() => send("edit")}>{t.edit}</button>
          : <button type="button" className="main" disabled={decide.isPending} onClick={() => send("approve")}>{t.approve}</button>}
        <button type="button" className="danger" disabled={decide.isPending} onClick={() => send("reject")}>{t.reject}</button>
      </div>
    </>
  );
}

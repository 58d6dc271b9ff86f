import type { AuditVerdict } from "@perdure/client";
import { useVerifyAuditLog } from "@perdure/client/react";
import { useFormat } from "../../kit/format";
import { Problem } from "../../kit/problem";
import { useTexts } from "./texts";

/** Checks every entry of the log against its chain of hashes, when it is asked to. */
export function ChainCheck() {
  const t = useTexts();
  const verify = useVerifyAuditLog();
  return (
    <section className="card">
      <button type="button" disabled={verify.isPending} onClick={() => verify.mutate()}>{t.verify}</button>
      <Problem error={verify.error} />
      <div role="status">{verify.data && <Verdict verdict={verify.data} />}</div>
    </section>
  );
}

function Verdict({ verdict: { valid, entries, head, problems } }: { verdict: AuditVerdict }) {
  const t = useTexts();
  const format = useFormat();
  return (
    <>
      <p className={`status ${valid ? "completed" : "failed"}`}>{valid ? t.valid(format.number(entries)) : t.invalid}</p>
      {problems.length > 0 && <ul>{problems.map(({ position, id, sentence }) => <li key={`${position} ${id}`}>{sentence}</li>)}</ul>}
      {head && <p className="quiet">{t.head}: <code>{head}</code></p>}
    </>
  );
}

import { type Path, useDraft } from "./draft";
import { CheckField, ChoiceField, ListField, NumberField } from "./fields";
import { useFormTexts } from "./texts";

/** Whether people decide, and who. A bare yes asks whoever started the run. */
export function ApprovalFields({ at, label }: { at: Path; label: string }) {
  const t = useFormTexts();
  const draft = useDraft();
  const problem = draft.problemAt(at);
  return (
    <>
      <CheckField at={at} label={label} />
      {Boolean(draft.at(at)) && (
        <fieldset className="choices" tabIndex={-1} aria-invalid={problem ? true : undefined}>
          <legend>{t.whoDecides}</legend>
          {problem && <div className="error">{problem}</div>}
          <ListField at={[...at, "approvers"]} label={t.approvers} hint={t.approversHint} />
          <div className="columns">
            <NumberField at={[...at, "quorum"]} label={t.quorum} min={1} max={100} placeholder="1" />
            <NumberField at={[...at, "deadline_seconds"]} label={t.deadline} min={1} step="any" placeholder={t.noDeadline} />
            <ChoiceField at={[...at, "default_decision"]} label={t.atDeadline}
              choices={[{ value: "reject", label: t.isRejected }, { value: "approve", label: t.isApproved }]} />
          </div>
        </fieldset>
      )}
    </>
  );
}

import { type ComponentProps, type ReactNode, useId } from "react";

interface Labelled {
  label: string;
  /** What to know before filling it in. */
  hint?: ReactNode;
}

/** A label with what is filled in below it, and a hint that is read with it. */
function Field({ label, hint, children }: Labelled & { children: (hintId: string | undefined) => ReactNode }) {
  const id = useId();
  return (
    <div className="field">
      <label>{label}{children(hint ? id : undefined)}</label>
      {hint && <div className="quiet" id={id}>{hint}</div>}
    </div>
  );
}

/** One line of text, a number, a date …: whatever `type` says. */
export function Input({ label, hint, ...input }: Labelled & ComponentProps<"input">) {
  return <Field label={label} hint={hint}>{(id) => <input aria-describedby={id} {...input} />}</Field>;
}

/** Several lines of text. */
export function TextArea({ label, hint, ...area }: Labelled & ComponentProps<"textarea">) {
  return <Field label={label} hint={hint}>{(id) => <textarea rows={3} aria-describedby={id} {...area} />}</Field>;
}

/** One of several: its options are the children. */
export function Select({ label, hint, ...select }: Labelled & ComponentProps<"select">) {
  return <Field label={label} hint={hint}>{(id) => <select aria-describedby={id} {...select} />}</Field>;
}

/** Yes or no. */
export function Checkbox({ label, ...input }: { label: string } & Omit<ComponentProps<"input">, "type">) {
  return <label className="check"><input type="checkbox" {...input} />{label}</label>;
}
